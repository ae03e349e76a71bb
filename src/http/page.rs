//! What every page needs besides its content: language, time zone, the clinic's name, who is looking.

use super::assets;
use super::flash;
use super::whose::{self, Person};
use crate::access::session::{HOLDER, Holder, LAPSED, Lapsed, Lasts};
use crate::clock::Clock;
use crate::config::{Config, Proxies};
use crate::db::Ts;
use crate::error::AppError;
use crate::storage::{Scan, Serving};
use crate::text::{Lang, Zone};
use actix_session::SessionExt;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::Payload;
use actix_web::http::header::{self, ContentType, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use askama::Template;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// What a request says about its reader.
#[derive(Clone)]
pub struct Head {
    /// whose session it is
    pub holder: Option<Holder>,
    /// whose session it was, where it has just ended
    pub lapsed: Option<Lapsed>,
    /// the mark of a page that is made for this reader; see [`super::whose`]
    whose: String,
    /// `Accept-Language`
    accepts: String,
    /// the language chosen on a page without signing in
    chosen: Option<String>,
    /// path without the query
    pub path: String,
    /// the key of a notice to show; see [`super::flash`]
    notice: String,
    /// only the part within the page is wanted, for a dialog
    pub fragment: bool,
    /// the caller's address
    pub from: IpAddr,
    /// whether the answer's body is read by nobody (HEAD): then nobody has looked
    pub is_probe: bool,
    /// the moment of the request
    pub now: Ts,
    /// which files may go out
    serving: Serving,
    /// see [`Position`]
    position: i64,
    /// the country calling code of the clinic's telephone numbers, in digits
    calling_code: String,
}

/// How far the browsers of the clinic were told of changes: a page that is made from now on shows all up to it.
pub struct Position(pub Arc<AtomicI64>);

/// The cookie that remembers a language chosen without signing in.
pub const LANGUAGE_COOKIE: &str = "language";

impl Head {
    /// Reads a request.
    pub fn from_request(req: &HttpRequest) -> Head {
        let text = |name: &str| req.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let holder = holder(req);
        Head {
            whose: whose::mark(req, Person::from_holder(holder.as_ref())),
            holder,
            lapsed: req.get_session().get(LAPSED).ok().flatten(),
            accepts: text("accept-language"),
            chosen: req.cookie(LANGUAGE_COOKIE).map(|cookie| cookie.value().to_owned()),
            path: req.path().to_owned(),
            notice: flash::key(req),
            fragment: req.headers().contains_key("x-fragment"),
            from: caller(req),
            is_probe: *req.method() == Method::HEAD,
            now: now(req),
            serving: req.app_data::<Serving>().copied().unwrap_or(Serving::ONLY_CLEAN),
            position: req.app_data::<web::Data<Position>>().map_or(0, |position| position.0.load(Ordering::Acquire)),
            calling_code: req
                .app_data::<web::Data<Config>>()
                .map(|config| config.calling_code.clone())
                .unwrap_or_default(),
        }
    }

    /// Whether the reader chose a language on a page without signing in.
    pub fn has_chosen_language(&self) -> bool {
        self.chosen.as_deref().and_then(Lang::find).is_some()
    }

    /// The reader's language: their own, else the one chosen, else the browser's, else the clinic's.
    pub fn lang(&self, clinic: Lang) -> Lang {
        let own = self.holder.as_ref().and_then(|holder| Lang::find(holder.language()));
        let chosen = self.chosen.as_deref().and_then(Lang::find);
        own.or(chosen).unwrap_or_else(|| Lang::accepted(&self.accepts, clinic))
    }
}

pub(super) fn holder(req: &HttpRequest) -> Option<Holder> {
    let json = req.get_session().get::<Holder>(HOLDER);
    json.ok().flatten()
}

/// The moment of a request, by the application's clock.
pub(super) fn now(req: &HttpRequest) -> Ts {
    req.app_data::<web::Data<Clock>>().map_or_else(|| Clock::system().now(), |clock| clock.now())
}

fn caller(req: &HttpRequest) -> IpAddr {
    let peer = req.peer_addr().map(|address| address.ip());
    let none = Proxies::default();
    let proxies = req.app_data::<web::Data<Config>>().map_or(&none, |config| &config.proxies);
    super::caller::caller(peer, req.headers(), proxies)
}

impl FromRequest for Head {
    type Error = AppError;
    type Future = Ready<Result<Head, AppError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Head::from_request(req)))
    }
}

/// Who is looking, for the bar at the top.
#[derive(Clone, Debug, Default)]
pub struct Who {
    /// name
    pub name: String,
    /// may change the clinic's settings
    pub settings: bool,
    /// may write
    pub writes: bool,
    /// keys do something for them
    pub keys: bool,
    /// conversations with something new
    pub unread: usize,
    /// the role, as a word of the table of roles
    pub role: &'static str,
}

/// What the layouts need. Each page's template has one as `shell`.
#[derive(Clone)]
pub struct Shell {
    /// language of the page
    pub lang: Lang,
    /// time zone of its times
    pub zone: Zone,
    /// the clinic's name
    pub clinic_name: String,
    /// the clinic's telephone number; may be empty
    pub clinic_phone: String,
    /// names of the clinic's logo and of the portal's background image; empty: none
    pub images: (String, String),
    /// who is signed in
    pub who: Option<Who>,
    /// a patient is signed in
    pub signed_in: bool,
    /// the caregiver who reads, and for whom, in words; empty where the patient reads
    pub acting: String,
    /// a patient's session: seconds until it ends, by itself and in any case
    pub session: Option<Lasts>,
    /// path without the query
    pub path: String,
    /// the mark that everything says which this page sends; see [`super::whose`]
    pub whose: String,
    /// only the part within the page
    pub fragment: bool,
    /// a notice to show at the top, in words; empty if none
    pub notice: &'static str,
    /// its key
    notice_key: String,
    /// the moment of the request
    pub now: Ts,
    /// see [`Position`]
    pub position: i64,
    /// which files may go out
    serving: Serving,
    /// the country calling code of the clinic's telephone numbers, in digits
    calling_code: String,
}

impl Shell {
    /// The shell of a page.
    pub fn new(head: &Head, clinic: (&str, &str, Lang, Zone), who: Option<Who>) -> Shell {
        let (name, phone, lang, zone) = clinic;
        let lang = head.lang(lang);
        Shell {
            lang,
            zone,
            clinic_name: name.to_owned(),
            clinic_phone: phone.to_owned(),
            images: Default::default(),
            who,
            signed_in: false,
            acting: String::new(),
            session: None,
            path: head.path.clone(),
            whose: head.whose.clone(),
            fragment: head.fragment,
            notice: lang.t_of("notice", &head.notice),
            notice_key: head.notice.clone(),
            now: head.now,
            position: head.position,
            serving: head.serving,
            calling_code: head.calling_code.clone(),
        }
    }

    /// The shell of a page for which nothing is read: the database may be what failed.
    pub fn of_nothing(head: &Head, who: Option<Who>) -> Shell {
        Shell::new(head, ("Postern", "", Lang::or_english("en"), Zone::or_utc("UTC")), who)
    }

    /// Whether a file of which the scanner says this is linked to: never to an answer that it may not go out.
    pub fn opens(&self, scan: &Scan) -> bool {
        self.serving.judge(*scan).is_ok()
    }
    /// Whether the scanner has a say on a file: without one, that nothing was checked would stand below each, and be read by nobody.
    pub fn has_scan(&self, scan: &Scan) -> bool {
        self.serving.effective(*scan) != Scan::NotScanned
    }
    /// What the scanner says of a file, in words.
    pub fn scan(&self, scan: &Scan) -> &'static str {
        self.t_of("scan", self.serving.effective(*scan).as_str())
    }

    /// What stands before the title of a page that comes back with a refused form.
    pub fn if_refused(&self) -> IfRefused {
        IfRefused(self.lang)
    }
    /// Takes the notice from the top of the page where it is one of these: it is said where the thing was done.
    pub fn said_there(&mut self, keys: &[&str]) -> &'static str {
        match keys.contains(&self.notice_key.as_str()) {
            true => std::mem::take(&mut self.notice),
            false => "",
        }
    }
    /// Puts the notice with this key at the top of the page.
    pub fn say(&mut self, key: &str) {
        (self.notice, self.notice_key) = (self.lang.t_of("notice", key), key.to_owned());
    }
    /// Whether the reader may change the clinic's settings.
    pub fn sets(&self) -> bool {
        self.who.as_ref().is_some_and(|who| who.settings)
    }
    /// The reader's keys, as the script reads them; empty where they have switched them off.
    pub fn keys(&self) -> &'static str {
        let keyed = self.who.as_ref().filter(|who| who.keys);
        keyed.map_or("", |who| super::keys::table(who.writes))
    }
    /// A message without variables.
    pub fn t<'k>(&self, key: &'k str) -> &'k str {
        self.lang.t(key)
    }
    /// A message by kind and word, such as `role` and `owner`.
    pub fn t_of(&self, prefix: &str, word: &str) -> &'static str {
        self.lang.t_of(prefix, word)
    }
    /// A message with one variable.
    pub fn t1<'v>(&self, key: &str, name: &str, value: impl crate::text::i18n::Arg<'v>) -> String {
        self.lang.t1(key, name, value)
    }
    /// A message with two variables.
    pub fn t2<'v>(
        &self,
        key: &str,
        name: &str,
        value: impl crate::text::i18n::Arg<'v>,
        name2: &str,
        value2: impl crate::text::i18n::Arg<'v>,
    ) -> String {
        self.lang.t2(key, name, value, name2, value2)
    }
    /// Date and time of a moment.
    pub fn moment(&self, at: &Ts) -> String {
        self.lang.moment(self.zone, *at)
    }
    /// The day of a moment.
    pub fn day(&self, at: &Ts) -> String {
        self.lang.date(self.zone.local(*at).date())
    }
    /// Until when something is to be seen to, or since when it is overdue.
    pub fn due(&self, at: &Ts) -> String {
        let when = self.lang.near(self.zone, self.now, *at);
        self.t1(if *at <= self.now { "overdue-since" } else { "due-when" }, "when", when)
    }
    /// The time of day of a moment.
    pub fn time(&self, at: &Ts) -> String {
        self.lang.time(self.zone.local(*at))
    }
    /// A moment for lists: the time of day today, else the day.
    pub fn short(&self, at: &Ts) -> String {
        let (local, today) = (self.zone.local(*at), self.zone.local(self.now).date());
        if local.date() == today { self.lang.time(local) } else { self.lang.date(local.date()) }
    }
    /// How long ago a moment is, in its largest unit: for lists, with the moment itself beside it.
    pub fn age(&self, at: &Ts) -> String {
        let passed = self.now.since(*at);
        match (passed.whole_minutes(), passed.whole_hours(), passed.whole_days()) {
            (..1, ..) => self.t("age-now").to_owned(),
            (minutes @ ..60, ..) => format!("{minutes}\u{a0}{}", self.t("age-minutes")),
            (_, hours @ ..24, _) => format!("{hours}\u{a0}{}", self.t("age-hours")),
            (.., days @ ..100) => format!("{days}\u{a0}{}", self.t("age-days")),
            _ => self.day(at),
        }
    }
    /// How long something has waited since a moment, behind a point; nothing within the first minute.
    pub fn waited(&self, at: &Ts) -> String {
        match self.now.since(*at).whole_minutes() {
            ..1 => String::new(),
            _ => format!("· {}", self.age(at)),
        }
    }
    /// A moment near today, for lists: the time of day, with the day of the week within a week; else the day.
    pub fn near(&self, at: &Ts) -> String {
        let (local, today) = (self.zone.local(*at), self.zone.local(self.now).date());
        match (local.date() - today).whole_days() {
            0 => self.lang.time(local),
            -6..=6 => self.lang.in_week(local),
            _ => self.lang.date(local.date()),
        }
    }
    /// A moment that somebody is told beforehand: day of the week, date and time.
    pub fn deadline(&self, at: &Ts) -> String {
        self.lang.deadline(self.zone.local(*at))
    }
    /// Whether a moment is over.
    pub fn is_past(&self, at: &Ts) -> bool {
        *at < self.now
    }
    /// A moment for `<time datetime>` (RFC 3339, UTC).
    pub fn machine(&self, at: &Ts) -> String {
        at.get().format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
    }
    /// A telephone number as people here write it.
    pub fn phone(&self, number: &crate::values::PhoneNumber) -> String {
        number.shown_in(&self.calling_code)
    }
    /// Two letters that stand for a name beside it.
    pub fn initials(&self, name: &str) -> String {
        crate::text::initials(name)
    }
    /// Which of the five colours such letters have: always the same one for the same user or patient.
    pub fn colour(&self, id: &i64) -> i64 {
        id.rem_euclid(5)
    }
    /// The size of a file, as people say it.
    pub fn size(&self, bytes: &i64) -> String {
        self.lang.size(*bytes)
    }
    /// The moment so many seconds from now.
    pub fn after(&self, seconds: &i64) -> Ts {
        self.now.plus(time::Duration::seconds(*seconds))
    }
    /// A day.
    pub fn date(&self, date: &time::Date) -> String {
        self.lang.date(*date)
    }
    /// A birth date.
    pub fn born(&self, date: &crate::values::BirthDate) -> String {
        self.lang.date(date.0)
    }
    /// The words of scripts, for a `data-strings` attribute; see [`super::strings::json`].
    pub fn strings(&self, groups: &[&str]) -> super::strings::Words {
        super::strings::json(self.lang, groups)
    }
    /// The address of a static file.
    pub fn asset(&self, path: &str) -> String {
        assets::address(path)
    }
    /// `page` on the link to the page that is shown.
    pub fn current(&self, path: &str) -> &'static str {
        if self.path == path || self.path.starts_with(&format!("{path}/")) { "page" } else { "false" }
    }
    /// Every language that a page can be in: code and own name.
    pub fn languages(&self) -> Vec<(String, &'static str)> {
        Lang::all().map(|lang| (lang.code().to_owned(), lang.t("language-name"))).collect()
    }
}

/// A page that was asked for.
///
/// # Errors
/// When the template fails.
pub fn html(page: &impl Template) -> Result<HttpResponse, AppError> {
    with_status(StatusCode::OK, page)
}

/// The way on after a session was ended: what the browser keeps of its pages goes too. Cookies stay: those of the session
/// are ended one by one, and the others hold a language and by which name a browser is known.
pub fn signed_out(to: &str) -> HttpResponse {
    let mut answer = see_other(to);
    let kept = (HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cache\", \"storage\""));
    answer.headers_mut().insert(kept.0, kept.1);
    answer
}

/// A form that came back with errors: the same part again, with 422 and what was typed.
///
/// # Errors
/// When the template fails.
pub fn unprocessable(page: &impl Template) -> Result<HttpResponse, AppError> {
    with_status(StatusCode::UNPROCESSABLE_ENTITY, page)
}

/// "Error:" before the title of a page that comes back with a refused form, and nothing before any other.
pub struct IfRefused(Lang);

/// The name of the value by which [`with_status`] tells the layouts that a form was refused.
const REFUSED: &str = "refused";

impl askama::FastWritable for IfRefused {
    fn write_into(&self, to: &mut dyn std::fmt::Write, values: &dyn askama::Values) -> askama::Result<()> {
        match askama::get_value::<bool>(values, REFUSED) {
            Ok(true) => Ok(write!(to, "{} ", self.0.t("error"))?),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Display for IfRefused {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

impl askama::filters::HtmlSafe for IfRefused {}

/// A page with a status of its own. Where that says that a form was refused, so does the page's title.
///
/// # Errors
/// When the template fails.
pub fn with_status(status: StatusCode, page: &impl Template) -> Result<HttpResponse, AppError> {
    let refused = matches!(status.as_u16(), 409 | 413 | 422 | 429 | 503 | 507);
    let refused: &dyn std::any::Any = &refused;
    let body = page.render_with_values(&(REFUSED, refused))?;
    Ok(HttpResponse::build(status).content_type(ContentType::html()).body(body))
}

/// On to another page after a form that a dialog may have sent: a script goes where `X-Location` says, which spares the
/// request that following a redirect would cost.
pub fn landed(head_is_fragment: bool, to: &str) -> HttpResponse {
    match head_is_fragment {
        true => HttpResponse::Created().insert_header(("X-Location", to)).finish(),
        false => see_other(to),
    }
}

/// On to another page, by GET.
pub fn see_other(to: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, to)).finish()
}

/// Remembers a language in this browser and goes back to a path of our own, or to `home`.
pub fn choose_language(lang: Lang, back: &str, home: &str, https: bool) -> HttpResponse {
    let cookie = Cookie::build(LANGUAGE_COOKIE, lang.code())
        .path("/")
        .http_only(true)
        .secure(https)
        .same_site(SameSite::Lax)
        .max_age(time::Duration::days(365))
        .finish();
    HttpResponse::SeeOther().insert_header((header::LOCATION, own_path(back).unwrap_or(home))).cookie(cookie).finish()
}

/// A path of our own: `//host` and `/\host` are other hosts to a browser.
pub fn own_path(path: &str) -> Option<&str> {
    let mut chars = path.chars();
    let own = chars.next() == Some('/') && !matches!(chars.next(), Some('/' | '\\'));
    (own && !path.chars().any(char::is_control)).then_some(path)
}
