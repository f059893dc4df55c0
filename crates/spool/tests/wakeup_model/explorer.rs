//! Every reachable state of a world, breadth first, and the properties that must hold in all of
//! them.

use crate::world::{Pace, Scenario, World};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

/// The result of a complete search.
#[derive(Debug)]
pub struct Explored {
    pub states: usize,
    pub steps: usize,
    /// States in which nothing happens until mail arrives.
    pub asleep: usize,
}

/// How a world goes wrong, and the steps that lead there.
#[derive(Debug)]
pub struct Violation {
    pub property: Property,
    pub trace: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property {
    /// A message is nowhere.
    Lost,
    /// A message is in two places, or was handed over twice.
    Doubled,
    /// Nothing that is certain to happen delivers everything.
    Stuck,
    /// Work continues indefinitely without a pause.
    Spins,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after:\n  {}", self.property, self.trace.join("\n  "))
    }
}

/// The reachable states and the steps between them; the steps of a state are contiguous.
struct Graph {
    states: Vec<World>,
    /// The state and the step by which a state was first reached.
    parents: Vec<(u32, &'static str)>,
    steps: Vec<(u32, Pace)>,
    first_step: Vec<usize>,
}

/// Explores everything that can happen.
pub fn explore(scenario: &Scenario) -> Result<Explored, Violation> {
    let graph = Graph::reach(scenario)?;
    graph.check_delivery()?;
    graph.check_rest()?;
    Ok(Explored {
        states: graph.states.len(),
        steps: graph.steps.len(),
        asleep: graph.states.iter().filter(|state| state.is_asleep()).count(),
    })
}

impl Graph {
    /// Walks breadth first, so that a trace is as short as can be. Safety is checked on the way.
    fn reach(scenario: &Scenario) -> Result<Graph, Violation> {
        let start = scenario.start();
        let mut known: HashMap<World, u32, BuildHasherDefault<Mixer>> = HashMap::default();
        known.insert(start, 0);
        let mut graph = Graph {
            states: vec![start],
            parents: vec![(0, "start")],
            steps: Vec::new(),
            first_step: vec![0],
        };
        let mut at = 0;
        while at < graph.states.len() {
            for step in graph.states[at].steps(scenario) {
                let to = match known.entry(step.to) {
                    Entry::Occupied(entry) => *entry.get(),
                    Entry::Vacant(entry) => {
                        let index =
                            u32::try_from(graph.states.len()).expect("fewer states than 2^32");
                        graph.states.push(step.to);
                        graph.parents.push((u32::try_from(at).expect("as above"), step.name));
                        if let Some(property) = step.to.harm() {
                            return Err(graph.violation(property, index as usize));
                        }
                        *entry.insert(index)
                    }
                };
                graph.steps.push((to, step.pace));
            }
            at += 1;
            graph.first_step.push(graph.steps.len());
        }
        Ok(graph)
    }

    fn steps_of(&self, state: usize) -> &[(u32, Pace)] {
        &self.steps[self.first_step[state]..self.first_step[state + 1]]
    }

    /// From every state, steps that happen without fate can lead to sleep with everything
    /// delivered. In a finite graph this makes delivery certain, if no step that remains possible
    /// is postponed indefinitely.
    fn check_delivery(&self) -> Result<(), Violation> {
        let mut backwards = vec![Vec::new(); self.states.len()];
        for state in 0..self.states.len() {
            for &(to, pace) in self.steps_of(state) {
                if pace != Pace::Fate {
                    backwards[to as usize].push(state);
                }
            }
        }
        let mut good: Vec<bool> = self.states.iter().map(World::is_asleep).collect();
        let mut todo: Vec<usize> = (0..good.len()).filter(|&state| good[state]).collect();
        while let Some(state) = todo.pop() {
            for &before in &backwards[state] {
                if !std::mem::replace(&mut good[before], true) {
                    todo.push(before);
                }
            }
        }
        match good.iter().position(|good| !good) {
            Some(state) => Err(self.violation(Property::Stuck, state)),
            None => Ok(()),
        }
    }

    /// When asleep, only fate can act. And no run works indefinitely without a pause: repeatedly
    /// removing the states from which no work is possible removes all of them.
    fn check_rest(&self) -> Result<(), Violation> {
        let mut work_left = Vec::with_capacity(self.states.len());
        let mut backwards = vec![Vec::new(); self.states.len()];
        for (state, world) in self.states.iter().enumerate() {
            let steps = self.steps_of(state);
            if world.is_asleep() && steps.iter().any(|&(_, pace)| pace != Pace::Fate) {
                return Err(self.violation(Property::Spins, state));
            }
            let work: Vec<_> = steps.iter().filter(|&&(_, pace)| pace == Pace::Work).collect();
            work_left.push(work.len());
            for &&(to, _) in &work {
                backwards[to as usize].push(state);
            }
        }
        let mut ended: Vec<usize> =
            (0..work_left.len()).filter(|&state| work_left[state] == 0).collect();
        while let Some(state) = ended.pop() {
            for &before in &backwards[state] {
                work_left[before] -= 1;
                if work_left[before] == 0 {
                    ended.push(before);
                }
            }
        }
        match work_left.iter().position(|&left| left > 0) {
            Some(state) => Err(self.violation(Property::Spins, state)),
            None => Ok(()),
        }
    }

    fn violation(&self, property: Property, mut state: usize) -> Violation {
        let mut trace = Vec::new();
        while state != 0 {
            let (parent, name) = self.parents[state];
            trace.push(name);
            state = parent as usize;
        }
        trace.reverse();
        Violation { property, trace }
    }
}

/// A fast hash; the states are our own, so nobody can provoke collisions.
#[derive(Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64(value as u64);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
}
