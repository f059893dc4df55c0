//! Runs the pages: accepts connections, and exits when idle.

use crate::connection::{ListeningSocket, Peer};
use crate::desk::{at, blocking};
use crate::looks::Looks;
use crate::visitor::Visitor;
use crate::{
    archive, arrivals, charts, confirm, create, desk, erase, guide, held, listinfo, lists, looks,
    members, mine, moderation, oidc, old, options, page, passwords, private, queues, removal,
    request, roster, settings, signin, site, succession, texts, trace, unsubscribe,
};
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::{Router, routing};
use dormouse_activation::socket::{Listen, Socket};
use dormouse_store::{LiveSite, Site, Store};
use http_body::{Frame, SizeHint};
use std::future::IntoFuture as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use sysexits::ExitCode;
use tokio::sync::oneshot;
use tower_service::Service as _;

/// How long a process that ends waits for its connections: an incomplete request must not delay the
/// next process.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// A request that is not complete and processed within this time is aborted.
const LONGEST_REQUEST: Duration = Duration::from_secs(60);

/// Why pages cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// No socket was passed.
    #[error(
        "no socket was passed, as systemd and inetd do it; say --listen ADDRESS:PORT, or a path"
    )]
    NoSocket,
    /// A socket failed.
    #[error("cannot serve pages{}: {source}", .on.as_ref().map(|on| format!(" on {on}")).unwrap_or_default())]
    Socket {
        /// The socket.
        on: Option<String>,
        /// The cause.
        source: std::io::Error,
    },
}

impl WebError {
    /// The exit code (sysexits.h).
    pub fn sysexit(&self) -> ExitCode {
        match self {
            WebError::NoSocket => ExitCode::Usage,
            WebError::Socket { .. } => ExitCode::OsErr,
        }
    }
}

/// Functions that only the program can provide.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Rewrites the MTA's files after a list was created or removed.
    ///
    /// # Errors
    /// The text of the error.
    pub lists_changed: fn(&Site, &Store) -> Result<usize, String>,
    /// Looks for problems of the site.
    pub findings: fn(&Site) -> Vec<Finding>,
}

/// A problem of the site.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Whether something does not work, or will stop working soon.
    pub is_bad: bool,
    /// The subject.
    pub what: &'static str,
    /// The state.
    pub text: String,
    /// The remedy.
    pub mend: String,
}

/// What all requests share.
#[derive(Debug)]
pub(crate) struct App {
    pub site: Site,
    pub program: Program,
    pub looks: Arc<Looks>,
    crowd: Arc<Crowd>,
}

/// Counts the requests being processed.
#[derive(Debug)]
struct Crowd {
    /// The number of requests being processed.
    busy: AtomicUsize,
    started: Instant,
    /// When the last one ended, in milliseconds after the start.
    last: AtomicU64,
}

impl Crowd {
    fn new() -> Crowd {
        Crowd { busy: AtomicUsize::new(0), started: Instant::now(), last: AtomicU64::new(0) }
    }

    fn touch(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// How long there has been no request.
    fn idle_for(&self) -> Duration {
        if self.busy.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(last)
    }
}

/// The pages, created again when the settings have changed.
struct Pages {
    live: LiveSite,
    program: Program,
    crowd: Arc<Crowd>,
    made: Mutex<Option<(Arc<Site>, Router)>>,
}

impl Pages {
    fn now(&self) -> Router {
        let site = self.live.now();
        let mut made = self.made.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((of, router)) = &*made
            && Arc::ptr_eq(of, &site)
        {
            return router.clone();
        }
        let (site_now, crowd) = (Site::clone(&site), Arc::clone(&self.crowd));
        let looks = Arc::new(Looks::of(site.config()));
        let app = App { site: site_now, program: self.program, looks, crowd };
        let router = router(Arc::new(app));
        *made = Some((site, router.clone()));
        router
    }
}

/// Serves pages, on a passed socket until there was no request for `web.idle`. Calls `ready` with the
/// address. New settings apply to the next request.
pub fn serve(
    live: LiveSite,
    program: Program,
    listen: Listen,
    ready: impl FnOnce(&str),
) -> Result<(), WebError> {
    let failed = |source| WebError::Socket { on: None, source };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let site = live.now();
        let idle = match listen {
            Listen::Passed => Some(site.config().web_idle.duration()),
            Listen::On(_) => None,
        };
        let crowd = Arc::new(Crowd::new());
        let door = door(&listen, site.config().web_group.trim())?;
        ready(&door.place());
        let pages = Pages { live, program, crowd: Arc::clone(&crowd), made: Mutex::new(None) };
        let pages = Arc::new(pages);
        let every = Router::new().fallback(move |request: Request| {
            let mut router = pages.now();
            async move { router.call(request).await }
        });
        let (quiet, over) = oneshot::channel();
        let over = async move {
            // An error means that the sender is gone, and the task has ended.
            let _quiet = over.await;
        };
        let at_last = async move {
            until_idle(crowd, idle).await;
            // Without a receiver the server has ended already.
            let _sent = quiet.send(());
            tokio::time::sleep(LAST_WORDS).await;
        };
        let every = every.into_make_service_with_connect_info::<Peer>();
        let server = axum::serve(door, every).with_graceful_shutdown(over);
        let served =
            tokio::select! { served = server.into_future() => served, () = at_last => Ok(()) };
        served.map_err(failed)
    })
}

fn door(listen: &Listen, group: &str) -> Result<ListeningSocket, WebError> {
    let failed = |source| match listen {
        Listen::Passed => WebError::Socket { on: None, source },
        Listen::On(place) => WebError::Socket { on: Some(place.clone()), source },
    };
    let socket = match listen {
        Listen::Passed => Socket::passed().map_err(failed)?.ok_or(WebError::NoSocket)?,
        Listen::On(place) => Socket::bind(place, group).map_err(failed)?,
    };
    ListeningSocket::of(socket).map_err(failed)
}

fn router(app: Arc<App>) -> Router {
    Router::new()
        .merge(held::routes())
        .merge(request::routes())
        .merge(confirm::routes())
        .merge(unsubscribe::routes())
        .merge(options::routes())
        .merge(listinfo::routes())
        .merge(roster::routes())
        .merge(private::routes())
        .merge(archive::routes())
        .merge(signin::routes())
        .merge(oidc::routes())
        .merge(moderation::routes())
        .merge(mine::routes())
        .merge(lists::routes())
        .merge(looks::routes())
        .merge(settings::routes())
        .merge(guide::routes())
        .merge(passwords::routes())
        .merge(create::routes())
        .merge(succession::routes())
        .merge(texts::routes())
        .merge(queues::routes())
        .merge(site::routes())
        .merge(charts::routes())
        .merge(trace::routes())
        .merge(members::routes())
        .merge(erase::routes())
        .merge(removal::routes())
        .merge(arrivals::routes())
        .merge(old::routes())
        .merge(at("/health", routing::get(health)))
        .fallback(old::elsewhere)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), paced))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), counted))
        .with_state(app)
}

/// For monitoring: whether pages can be served.
async fn health(State(app): State<Arc<App>>) -> Response {
    // A query is needed: opening a database server's store may not connect to it.
    blocking(move || match Store::open(&app.site).and_then(|store| store.read().list_names()) {
        Ok(_) => (page::headers(), "ok\n").into_response(),
        Err(error) => {
            tracing::error!("not healthy: {error}");
            (StatusCode::SERVICE_UNAVAILABLE, page::headers(), "the database cannot be opened\n")
                .into_response()
        }
    })
    .await
}

/// A request that is being processed, or work for it.
pub(crate) struct Busy {
    crowd: Arc<Crowd>,
    peer: Option<Peer>,
}

impl Busy {
    pub fn new(app: &Arc<App>) -> Busy {
        Busy::of(&app.crowd, None)
    }

    fn of(crowd: &Arc<Crowd>, peer: Option<Peer>) -> Busy {
        crowd.busy.fetch_add(1, Ordering::Relaxed);
        peer.iter().for_each(Peer::is_answered);
        Busy { crowd: Arc::clone(crowd), peer }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.crowd.busy.fetch_sub(1, Ordering::Relaxed);
        self.crowd.touch();
        self.peer.iter().for_each(Peer::was_answered);
    }
}

/// A response body; the process stays alive until its end.
struct Sending {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Delays forms from networks that send very many.
async fn paced(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if request.method() == Method::POST
        && let Some(visitor) = request.extensions().get::<Visitor>().cloned()
    {
        desk::pace(&app, &visitor).await;
    }
    next.run(request).await
}

/// Keeps the process alive while it responds, and adds the visitor to the request.
async fn counted(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let visitor = Visitor::of(&request, app.site.config(), &app.looks);
    request.extensions_mut().insert(visitor.clone());
    let peer = request.extensions().get::<ConnectInfo<Peer>>().map(|peer| peer.0.clone());
    let busy = Busy::of(&app.crowd, peer);
    let response = match tokio::time::timeout(LONGEST_REQUEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => page::message(
            StatusCode::REQUEST_TIMEOUT,
            dormouse_words::say("Too slow"),
            dormouse_words::say(
                "The rest of your request did not arrive in time. Please send it again.",
            ),
        ),
    };
    page::laid_out(&visitor, response).map(|body| Body::new(Sending { body, _busy: busy }))
}

/// Ends after that time without requests. Later connections wait in the socket, which systemd holds,
/// and start the next process.
async fn until_idle(crowd: Arc<Crowd>, idle: Option<Duration>) {
    let Some(idle) = idle else { return std::future::pending().await };
    loop {
        let left = idle.saturating_sub(crowd.idle_for());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_being_sent_keeps_the_process_and_its_length() {
        let crowd = Arc::new(Crowd::new());
        let sending = Sending { body: Body::from("a page"), _busy: Busy::of(&crowd, None) };
        std::thread::sleep(Duration::from_millis(3));
        assert_eq!(crowd.idle_for(), Duration::ZERO);
        assert_eq!(sending.size_hint().exact(), Some(6));
        drop(sending);
        std::thread::sleep(Duration::from_millis(3));
        assert!(crowd.idle_for() > Duration::ZERO);
    }
}
