//! Extractors: they take the cookie and the path and give a proof, or lead to the sign-in page, or answer 403 or 404.

use crate::access::session::Holder;
use crate::access::{
    self, Action, ChartAccess, ConfirmedAccount, ConfirmedUser, ConversationAccess, OwnAccount, Right, SignedInUser,
};
use crate::conversations;
use crate::db::{Conn, ConversationId, PatientId};
use crate::error::AppError;
use crate::http::page::Who;
use crate::http::{Head, Shell};
use crate::settings::{self, Settings};
use crate::state::AppState;
use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::{FromRequest, HttpRequest, web};
use std::future::{Future, Ready, ready};
use std::pin::Pin;

/// A signed-in user with the right `R`.
pub struct User<R: Right>(pub SignedInUser<R>);

/// A user with the right `R` who proved a few minutes ago who they are; others are led to the confirmation first.
pub struct Confirmed<R: Right>(pub ConfirmedUser<R>);

/// Any signed-in user, also one who must set up a second factor first: for how they themselves sign in.
pub struct Own(pub OwnAccount);

/// The same for a user who proved a few minutes ago who they are.
pub struct ConfirmedOwn(pub ConfirmedAccount);

/// A user with the right `R` on the chart in the path.
pub struct Chart<R: Right>(pub ChartAccess<R>);

/// A user with the right `R` on the conversation in the path.
pub struct Conversation<R: Right>(pub ConversationAccess<R>);

/// A user with the right `R` who asks for the chart in the path. Whether the chart exists is checked in the page's own
/// transaction, where [`AskedChart::proof`] makes the proof.
pub struct AskedChart<R: Right> {
    user: SignedInUser<R>,
    patient: PatientId,
    method: Method,
    address: Option<String>,
}

/// The same for a conversation.
pub struct AskedConversation<R: Right> {
    user: SignedInUser<R>,
    conversation: ConversationId,
}

impl<R: Right> AskedChart<R> {
    /// The proof, or 404, or a redirect to the chart that it was merged into.
    pub fn proof(self, conn: &mut Conn) -> Result<ChartAccess<R>, AppError> {
        let access = access::chart(conn, self.user, self.patient)?.ok_or(AppError::NotFound)?;
        match moved(&self.method, self.address.as_deref(), R::ACTION, (self.patient, access.patient())) {
            Some(to) => Err(AppError::Moved { to }),
            None => Ok(access),
        }
    }
}

impl<R: Right> AskedConversation<R> {
    /// The proof, or 404.
    pub fn proof(self, conn: &mut Conn) -> Result<ConversationAccess<R>, AppError> {
        access::conversation(conn, self.user, self.conversation)?.ok_or(AppError::NotFound)
    }
}

impl<R: Right> FromRequest for AskedChart<R> {
    type Error = AppError;
    type Future = Ready<Result<Self, AppError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let asked = || {
            let (user, patient) = (user(req)?, PatientId(number(req, "patient")?));
            let address = req.uri().path_and_query().map(ToString::to_string);
            Ok(AskedChart { user, patient, method: req.method().clone(), address })
        };
        ready(asked())
    }
}

impl<R: Right> FromRequest for AskedConversation<R> {
    type Error = AppError;
    type Future = Ready<Result<Self, AppError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let asked = || {
            let (user, conversation) = (user(req)?, ConversationId(number(req, "conversation")?));
            Ok(AskedConversation { user, conversation })
        };
        ready(asked())
    }
}

fn user<R: Right>(req: &HttpRequest) -> Result<SignedInUser<R>, AppError> {
    let head = Head::from_request(req);
    match head.holder.as_ref().and_then(SignedInUser::<R>::from_holder) {
        Some(Some(user)) => Ok(user),
        Some(None) => Err(AppError::Forbidden),
        None if head.holder.is_some() => Err(AppError::ComesFirst { to: way_to(SET_UP, req) }),
        None => Err(AppError::SignIn { to: way_to("/sign-in", req) }),
    }
}

/// The page to which users are led who must set up a second factor.
pub const SET_UP: &str = "/account/second-factor";
/// The page on which users prove once more who they are.
pub const CONFIRMATION: &str = "/account/confirmation";

fn own(req: &HttpRequest) -> Result<OwnAccount, AppError> {
    let own = Head::from_request(req).holder.as_ref().and_then(OwnAccount::from_holder);
    own.ok_or_else(|| AppError::SignIn { to: way_to("/sign-in", req) })
}

fn confirmation(req: &HttpRequest) -> AppError {
    AppError::ComesFirst { to: way_to(CONFIRMATION, req) }
}

/// A page that comes first; after it the user goes on to the page that they asked for.
fn way_to(page: &str, req: &HttpRequest) -> String {
    match *req.method() {
        Method::GET if req.path() != "/" => {
            let asked = req.uri().path_and_query().map_or("/", |p| p.as_str());
            with_next(page, &page_of_file(page, req.path(), asked))
        }
        _ => page.to_owned(),
    }
}

/// The address of a page, with the page to go to after it.
pub fn with_next(page: &str, next: &str) -> String {
    let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    format!("{page}?{query}")
}

/// After confirming, the user goes to the page that offers the file: a download would leave the confirmation on the
/// screen.
fn page_of_file(page: &str, path: &str, asked: &str) -> String {
    match path.strip_suffix(".csv") {
        Some(list) if page == CONFIRMATION => asked.replacen(path, list, 1),
        _ => asked.to_owned(),
    }
}

/// A number in the path; 404 where it is anything else.
pub fn number(req: &HttpRequest, name: &str) -> Result<i64, AppError> {
    req.match_info().get(name).and_then(|text| text.parse().ok()).ok_or(AppError::NotFound)
}

fn state(req: &HttpRequest) -> Result<web::Data<AppState>, AppError> {
    req.app_data::<web::Data<AppState>>().cloned().ok_or_else(|| AppError::Internal("no state".into()))
}

impl<R: Right> FromRequest for User<R> {
    type Error = AppError;
    type Future = Ready<Result<Self, AppError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(user(req).map(User))
    }
}

impl<R: Right> FromRequest for Confirmed<R> {
    type Error = AppError;
    type Future = Ready<Result<Self, AppError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let holder = Head::from_request(req).holder;
        let confirmed = |user| holder.as_ref().and_then(|holder| ConfirmedUser::from_holder(user, holder));
        ready(user(req).and_then(|user| confirmed(user).map(Confirmed).ok_or_else(|| confirmation(req))))
    }
}

impl FromRequest for Own {
    type Error = AppError;
    type Future = Ready<Result<Self, AppError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(own(req).map(Own))
    }
}

impl FromRequest for ConfirmedOwn {
    type Error = AppError;
    type Future = Ready<Result<Self, AppError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let confirmed = |own| ConfirmedAccount::from_account(own).map(ConfirmedOwn).ok_or_else(|| confirmation(req));
        ready(own(req).and_then(confirmed))
    }
}

impl<R: Right + Send> FromRequest for Chart<R> {
    type Error = AppError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, AppError>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (asked, state) = (AskedChart::<R>::from_request(req, payload), state(req));
        Box::pin(async move {
            let asked = asked.await?;
            state?.db.read(move |conn| asked.proof(conn)).await.map(Chart)
        })
    }
}

/// Where a request for a chart is redirected to after the chart was merged into another. A message to the patient is
/// not redirected: it is the same person, and no word is lost. A change of the record is: it was made for the other
/// record.
fn moved(method: &Method, address: Option<&str>, action: Action, of: (PatientId, PatientId)) -> Option<String> {
    let (asked, has_it) = of;
    match *method {
        _ if asked == has_it => None,
        Method::GET | Method::HEAD => {
            let rest = address.and_then(|text| text.strip_prefix(&format!("/patients/{asked}")));
            Some(format!("/patients/{has_it}{}", rest.unwrap_or_default()))
        }
        _ if action == Action::Send => None,
        _ => Some(format!("/patients/{has_it}?notice=chart-merged")),
    }
}

impl<R: Right + Send> FromRequest for Conversation<R> {
    type Error = AppError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, AppError>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (asked, state) = (AskedConversation::<R>::from_request(req, payload), state(req));
        Box::pin(async move {
            let asked = asked.await?;
            state?.db.read(move |conn| asked.proof(conn)).await.map(Conversation)
        })
    }
}

/// The shell of a clinic page, read in the page's own transaction.
pub fn shell<R: Right>(conn: &mut Conn, head: &Head, user: &SignedInUser<R>) -> Result<(Shell, Settings), AppError> {
    let settings = settings::load(conn)?;
    let who = who(head, user, conversations::count_unread(conn, user)?);
    let clinic = (settings.name.as_str(), settings.phone.as_str(), settings.lang(), settings.zone());
    let mut shell = Shell::new(head, clinic, Some(who));
    shell.images.0.clone_from(&settings.logo);
    shell.session = head.holder.as_ref().map(Holder::lasts);
    Ok((shell, settings))
}

/// The shell of a page for which nothing is read: the database may be what failed.
pub fn shell_of_nothing<R: Right>(head: &Head, user: &SignedInUser<R>) -> Shell {
    Shell::of_nothing(head, Some(who(head, user, 0)))
}

fn who<R: Right>(head: &Head, user: &SignedInUser<R>, unread: usize) -> Who {
    Who {
        name: user.name().to_owned(),
        settings: user.role().may(Action::Settings),
        writes: user.role().may(Action::Send),
        keys: head.holder.as_ref().is_some_and(Holder::has_keys),
        unread,
        role: user.role().as_str(),
    }
}

/// The shell of a page of the user's own account: a bare one while they must set up a second factor.
pub fn shell_of_own(conn: &mut Conn, head: &Head, own: &OwnAccount) -> Result<Shell, AppError> {
    match own.user() {
        Some(user) => Ok(shell(conn, head, user)?.0),
        None => shell_for_nobody(conn, head),
    }
}

/// The shell of a page for nobody in particular, such as the sign-in page.
pub fn shell_for_nobody(conn: &mut Conn, head: &Head) -> Result<Shell, AppError> {
    let settings = settings::load(conn)?;
    let clinic = (settings.name.as_str(), settings.phone.as_str(), settings.lang(), settings.zone());
    Ok(Shell::new(head, clinic, None))
}
