#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dormouse_fuzz::python_literal(input));
