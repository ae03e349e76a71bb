//! Tells the database about each request: see [`crate::db::Errand`].

use crate::db::{Db, DbError, Errand, Lane};
use crate::error::AppError;
use actix_http::Request;
use actix_service::{ApplyTransform, IntoServiceFactory, ServiceFactory, apply};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::{Error, web};
use futures_util::future::LocalBoxFuture;
use std::future::{Ready, ready};
use std::rc::Rc;
use std::task::{Context, Poll};

/// The header of what a page asks by itself, without anybody's doing: see [`Errand::comes_by_itself`].
pub const BY_ITSELF: &str = "x-by-itself";

/// Marks the answer to a stale request, which is served again.
pub(super) struct Stale;

/// The clinic's pages, which may be heavy.
///
/// # Errors
/// Those of the page.
pub async fn in_pages(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    serve(req, next, Lane::Pages).await
}

/// The pages that never wait for the clinic's pages.
///
/// # Errors
/// Those of the page.
pub async fn in_front(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    serve(req, next, Lane::Front).await
}

/// Serves a request in its lane.
async fn serve(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    lane: Lane,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let errand = Errand::new(lane, matches!(*req.method(), Method::GET | Method::HEAD));
    if req.headers().contains_key(BY_ITSELF) {
        errand.comes_by_itself();
    }
    let db = req.app_data::<web::Data<Db>>().cloned();
    let mut res = errand.clone().carry(next.call(req)).await?;
    if let (true, Some(db)) = (errand.is_unchecked(), db) {
        // the page read nothing from the database: whether it may be shown is checked now
        match errand.clone().carry(db.read(|_| Ok::<_, DbError>(()))).await {
            Ok(()) | Err(DbError::Stale) => {}
            Err(cause) => return Err(AppError::from(cause).into()),
        }
    }
    if errand.is_stale() {
        res.response_mut().extensions_mut().insert(Stale);
    }
    Ok(res)
}

/// The application, which serves a request a second time where it began with a session that has changed since: the
/// first time did nothing, and the second time looks the session up again.
pub fn asked_again<A, S, B>(app: A) -> ApplyTransform<AskedAgain, S, Request>
where
    A: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<B>, Error = Error, InitError = ()>,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    apply(AskedAgain, app)
}

/// See [`asked_again`].
pub struct AskedAgain;

/// The application within [`AskedAgain`].
pub struct Application<S>(Rc<S>);

impl<S, B> Transform<S, Request> for AskedAgain
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = Application<S>;
    type InitError = ();
    type Future = Ready<Result<Application<S>, ()>>;

    fn new_transform(&self, app: S) -> Self::Future {
        ready(Ok(Application(Rc::new(app))))
    }
}

impl<S, B> Service<Request> for Application<S>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<ServiceResponse<B>, Error>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_ready(context)
    }

    fn call(&self, request: Request) -> Self::Future {
        let app = Rc::clone(&self.0);
        Box::pin(async move {
            let res = app.call(request).await?;
            if res.response().extensions().get::<Stale>().is_none() {
                return Ok(res);
            }
            // only a GET or HEAD is ever stale, so there is no body to send again
            let mut again = Request::new();
            let (head, asked) = (again.head_mut(), res.request().head());
            (head.method, head.uri, head.version) = (asked.method.clone(), asked.uri.clone(), asked.version);
            (head.headers, head.peer_addr) = (asked.headers.clone(), asked.peer_addr);
            drop(res);
            app.call(again).await
        })
    }
}
