//! Languages, by Project Fluent. `src/locales` has one file for each language; a third language needs one more file.
//!
//! Messages without variables are formatted once, so that [`Lang::t`] is a look-up.

use super::zone::Dates;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use fluent_langneg::{NegotiationStrategy, negotiate_languages};
use fluent_syntax::ast;
use rust_embed::RustEmbed;
use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};
use unic_langid::LanguageIdentifier;

#[derive(RustEmbed)]
#[folder = "src/locales/"]
#[include = "*.ftl"]
struct Files;

/// One language with all its messages.
pub struct Language {
    code: String,
    negotiable: fluent_langneg::LanguageIdentifier,
    fixed: HashMap<String, String>,
    bundle: FluentBundle<FluentResource>,
    /// made when a date is first formatted
    dates: OnceLock<Dates>,
}

/// A language that a page can be in; cheap to copy.
#[derive(Clone, Copy)]
pub struct Lang(&'static Language);

static LANGUAGES: LazyLock<Vec<Language>> = LazyLock::new(|| {
    let mut found: Vec<Language> = Files::iter().filter_map(|name| Language::read(&name)).collect();
    // English first: it is the fallback
    found.sort_by_key(|language| (language.code != "en", language.code.clone()));
    found
});

impl Language {
    fn read(name: &str) -> Option<Language> {
        let code = name.strip_suffix(".ftl")?.to_owned();
        let id: LanguageIdentifier = code.parse().ok()?;
        let source = String::from_utf8(Files::get(name)?.data.into_owned()).ok()?;
        // a message that cannot be parsed is missing, which a test over all keys reports
        let resource = FluentResource::try_new(source).unwrap_or_else(|(partial, _)| partial);
        let keys: Vec<String> = resource.entries().filter_map(message_key).collect();
        let negotiable = code.parse().ok()?;
        let mut bundle = FluentBundle::new_concurrent(vec![id]);
        bundle.set_use_isolating(false);
        bundle.add_resource_overriding(resource);
        let mut language = Language { code, negotiable, fixed: HashMap::new(), bundle, dates: OnceLock::new() };
        for key in keys {
            if let Some(text) = language.format(&key, None) {
                language.fixed.insert(key, text);
            }
        }
        Some(language)
    }

    /// The text; `None` where the key is unknown or needs variables that were not given.
    fn format(&self, key: &str, args: Option<&FluentArgs>) -> Option<String> {
        let pattern = self.bundle.get_message(key)?.value()?;
        let mut errors = Vec::new();
        let text = self.bundle.format_pattern(pattern, args, &mut errors).into_owned();
        errors.is_empty().then_some(text)
    }
}

fn message_key(entry: &ast::Entry<&str>) -> Option<String> {
    match entry {
        ast::Entry::Message(message) => Some(message.id.name.to_owned()),
        _ => None,
    }
}

impl Lang {
    /// Every language, English first.
    pub fn all() -> impl Iterator<Item = Lang> {
        LANGUAGES.iter().map(Lang)
    }

    /// The language with this code, such as `fr`.
    pub fn find(code: &str) -> Option<Lang> {
        Lang::all().find(|lang| lang.code() == code)
    }

    /// The language with this code, or English.
    pub fn or_english(code: &str) -> Lang {
        Lang::find(code).unwrap_or(Lang(&LANGUAGES[0]))
    }

    /// The best language for an `Accept-Language` header (RFC 4647 filtering), or `default`.
    pub fn accepted(header: &str, default: Lang) -> Lang {
        let wanted = fluent_langneg::accepted_languages::parse(header);
        let ids: Vec<_> = LANGUAGES.iter().map(|language| &language.negotiable).collect();
        let last = &default.0.negotiable;
        let best = negotiate_languages(&wanted, &ids, Some(&last), NegotiationStrategy::Lookup);
        let code = best.first().map(|id| id.language.to_string()).unwrap_or_default();
        Lang::find(&code).unwrap_or(default)
    }

    /// The code for `lang` attributes and for storage.
    pub fn code(self) -> &'static str {
        &self.0.code
    }

    /// Where the language's date texts are stored.
    pub(super) fn dates_once(self) -> &'static OnceLock<Dates> {
        &self.0.dates
    }

    /// A message without variables; the key itself where there is none (a test finds such keys).
    pub fn t<'k>(self, key: &'k str) -> &'k str
    where
        'static: 'k,
    {
        match self.0.fixed.get(key) {
            Some(text) => text,
            None => key,
        }
    }

    /// A message whose key is composed, such as `role-` and a role's word; empty where there is none.
    pub fn t_of(self, prefix: &str, word: &str) -> &'static str {
        self.0.fixed.get(&format!("{prefix}-{word}")).map_or("", String::as_str)
    }

    /// A message with one variable.
    pub fn t1<'v>(self, key: &str, name: &str, value: impl Arg<'v>) -> String {
        self.with(key, [(name, value.arg())])
    }

    /// A message with two variables.
    pub fn t2<'v>(self, key: &str, name: &str, value: impl Arg<'v>, name2: &str, value2: impl Arg<'v>) -> String {
        self.with(key, [(name, value.arg()), (name2, value2.arg())])
    }

    /// The size of a file, as people say it.
    pub fn size(self, bytes: i64) -> String {
        let tenths = |of: i64| {
            let tenths = (bytes * 10 + of - 1) / of;
            let (whole, part) = (tenths / 10, tenths % 10);
            if part == 0 || whole >= 10 {
                whole.to_string()
            } else {
                format!("{whole}{}{part}", self.t("decimal-point"))
            }
        };
        match bytes {
            0..1_048_576 => self.t1("size-kb", "size", tenths(1024)),
            _ => self.t1("size-mb", "size", tenths(1_048_576)),
        }
    }

    /// A message with any variables.
    pub fn with<'v, const N: usize>(self, key: &str, values: [(&str, FluentValue<'v>); N]) -> String {
        let mut args = FluentArgs::with_capacity(N);
        for (name, value) in values {
            args.set(name.to_owned(), value);
        }
        self.0.format(key, Some(&args)).unwrap_or_else(|| key.to_owned())
    }
}

impl PartialEq for Lang {
    fn eq(&self, other: &Lang) -> bool {
        self.code() == other.code()
    }
}

impl std::fmt::Debug for Lang {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lang({})", self.code())
    }
}

/// A value that a message can show. Templates pass references, and references to references.
pub trait Arg<'v> {
    /// The value as Fluent takes it.
    fn arg(self) -> FluentValue<'v>;
}

macro_rules! args {
    ($($type:ty => |$value:ident| $as:expr),+ $(,)?) => {$(
        impl<'v> Arg<'v> for $type {
            fn arg(self) -> FluentValue<'v> {
                let $value = self;
                FluentValue::from($as)
            }
        }
    )+};
}

args! {
    &'v str => |v| v, &&'v str => |v| *v, String => |v| v, &'v String => |v| v.as_str(), &&'v String => |v| v.as_str(),
    i64 => |v| v, &i64 => |v| *v, usize => |v| v as i64, &usize => |v| *v as i64,
}
