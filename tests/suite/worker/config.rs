//! The configuration keys for mail and texts: each fault is one line that names its key and never shows a secret.

use crate::support::gateways::SID;
use postern::config::{Config, ImapTls, ProviderStep, TextsVia, TwilioSender};

fn load(pairs: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let base = [
        ("POSTERN_PUBLIC_URL", "https://messages.example.org"),
        ("POSTERN_SMTP_HOST", "mail.example.org"),
        ("POSTERN_SMTP_FROM", "messages@example.org"),
    ];
    Config::load(None, base.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

const TWILIO: [(&str, &str); 4] = [
    ("POSTERN_TEXTS_GATEWAY", "twilio"),
    ("POSTERN_TWILIO_ACCOUNT_SID", SID),
    ("POSTERN_TWILIO_AUTH_TOKEN", "very-secret"),
    ("POSTERN_TWILIO_FROM", "+16135550100"),
];
const KANNEL: [(&str, &str); 4] = [
    ("POSTERN_TEXTS_GATEWAY", "kannel"),
    ("POSTERN_KANNEL_URL", "http://127.0.0.1:13013/cgi-bin/sendsms"),
    ("POSTERN_KANNEL_USER", "postern"),
    ("POSTERN_KANNEL_PASSWORD", "very-secret"),
];
const BOUNCES: [(&str, &str); 4] = [
    ("POSTERN_BOUNCES_ADDRESS", "bounces@example.org"),
    ("POSTERN_BOUNCES_IMAP_HOST", "mail.example.org"),
    ("POSTERN_BOUNCES_IMAP_USER", "bounces"),
    ("POSTERN_BOUNCES_IMAP_PASSWORD", "very-secret"),
];

const OIDC: [(&str, &str); 5] = [
    ("POSTERN_OIDC_ISSUER", "https://id.example.org"),
    ("POSTERN_OIDC_CLIENT_ID", "postern"),
    ("POSTERN_OIDC_CLIENT_SECRET", "very-secret"),
    ("POSTERN_OIDC_ROLE_CLAIM", "groups"),
    ("POSTERN_OIDC_ROLES", "The Owners=owner, a=b=staff"),
];

#[test]
fn what_is_said_of_the_identity_provider_is_read() {
    assert!(load(&[]).unwrap().oidc.is_none());
    let oidc = load(&OIDC).unwrap().oidc.unwrap();
    assert_eq!((oidc.issuer.as_str(), oidc.name.as_str()), ("https://id.example.org", "id.example.org"));
    assert_eq!(oidc.scopes, ["email", "profile"]);
    let roles: Vec<(&str, &str)> = oidc.roles.iter().map(|(value, role)| (value.as_str(), role.as_str())).collect();
    assert_eq!(roles, [("The Owners", "owner"), ("a=b", "staff")]);
    assert!(!oidc.only && !oidc.creates_users && oidc.second_step == ProviderStep::Never);
    let named = load(&[&OIDC[..], &[("POSTERN_OIDC_SECOND_STEP", "mfa, hwk")]].concat()).unwrap().oidc.unwrap();
    assert_eq!(named.second_step, ProviderStep::Named(vec!["mfa".into(), "hwk".into()]));
    // the secret in a file, by its path or as a credential of systemd
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "of a file\n").unwrap();
    let path = file.display().to_string();
    for place in [("POSTERN_OIDC_CLIENT_SECRET_FILE", path.as_str()), ("POSTERN_OIDC_CLIENT_SECRET_FILE", "secret")] {
        let credentials = ("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap());
        let settings = [&OIDC[..2], &[place, credentials]].concat();
        assert_eq!(load(&settings).unwrap().oidc.unwrap().client_secret.as_deref(), Some("of a file"));
    }
}

#[test]
fn each_fault_of_the_identity_provider_names_its_key() {
    for (base, changed, value, key) in [
        (&OIDC[..], "POSTERN_OIDC_ISSUER", "http://id.example.org", "oidc.issuer"),
        (&OIDC[..], "POSTERN_OIDC_CLIENT_ID", "", "oidc.client_id"),
        (&OIDC[..], "POSTERN_OIDC_CLIENT_SECRET_FILE", "/etc/hostname", "oidc.client_secret_file"),
        (&OIDC[..2], "POSTERN_OIDC_CLIENT_SECRET_FILE", "/nowhere/at/all", "oidc.client_secret_file"),
        (&OIDC[..], "POSTERN_OIDC_ROLES", "The Owners=owner, nurses=nurse", "oidc.roles"),
        (&OIDC[..], "POSTERN_OIDC_ROLE_CLAIM", "", "oidc.role_claim"),
        (&OIDC[..2], "POSTERN_OIDC_ROLE_CLAIM", "groups", "oidc.roles"),
        (&OIDC[..2], "POSTERN_OIDC_CREATE_USERS", "true", "oidc.create_users"),
        (&OIDC[..], "POSTERN_OIDC_ONLY", "perhaps", "oidc.only"),
        (&OIDC[..0], "POSTERN_OIDC_ONLY", "true", "oidc.only"),
    ] {
        let faults = load(&[base, &[(changed, value)]].concat()).err().unwrap_or_default();
        assert!(faults.len() == 1 && faults[0].starts_with(&format!("{key}: ")), "{changed}={value}: {faults:?}");
        assert!(!faults[0].contains("very-secret"), "{faults:?}");
    }
}

#[test]
fn what_is_written_well_is_read() {
    let plain = load(&[]).unwrap();
    assert!(plain.texts.is_none() && plain.bounces.is_none() && plain.metrics_listen.is_none());
    let TextsVia::Twilio(twilio) = load(&TWILIO).unwrap().texts.unwrap().via else { panic!("not Twilio") };
    assert_eq!((twilio.account_sid.as_str(), twilio.base_url.as_str()), (SID, "https://api.twilio.com/"));
    assert!(matches!(twilio.sender, TwilioSender::Number(number) if number == "+16135550100"));
    let TextsVia::Kannel(kannel) = load(&KANNEL).unwrap().texts.unwrap().via else { panic!("not Kannel") };
    assert_eq!((kannel.user.as_str(), kannel.from.as_str()), ("postern", ""));
    let bounces = load(&BOUNCES).unwrap().bounces.unwrap();
    let imap = bounces.imap.unwrap();
    assert_eq!((imap.port, imap.tls, imap.folder.as_str()), (993, ImapTls::Implicit, "INBOX"));
    assert!(load(&[("POSTERN_METRICS_LISTEN", "127.0.0.1:9090")]).unwrap().metrics_listen.is_some());
}

#[test]
fn each_fault_names_its_key() {
    for (base, changed, value, key) in [
        (&TWILIO, "POSTERN_TEXTS_GATEWAY", "pigeon", "texts.gateway"),
        (&TWILIO, "POSTERN_TWILIO_ACCOUNT_SID", "AC12", "twilio.account_sid"),
        (&TWILIO, "POSTERN_TWILIO_AUTH_TOKEN", "", "twilio.auth_token"),
        (&TWILIO, "POSTERN_TWILIO_FROM", "", "twilio.from"),
        (&TWILIO, "POSTERN_TWILIO_MESSAGING_SERVICE_SID", "MG0123456789abcdef0123456789abcdef", "twilio.from"),
        (&TWILIO, "POSTERN_TWILIO_BASE_URL", "http://api.example.org", "twilio.base_url"),
        (&TWILIO, "POSTERN_TEXTS_TIMEOUT_SECONDS", "51", "texts.timeout_seconds"),
        (&KANNEL, "POSTERN_KANNEL_URL", "http://sms.example.org/cgi-bin/sendsms", "kannel.url"),
        (&KANNEL, "POSTERN_KANNEL_URL", "", "kannel.url"),
        (&KANNEL, "POSTERN_KANNEL_PASSWORD", "", "kannel.password"),
        (&BOUNCES, "POSTERN_BOUNCES_ADDRESS", "a+b@example.org", "bounces.address"),
        (&BOUNCES, "POSTERN_BOUNCES_ADDRESS", "", "bounces.address"),
        (&BOUNCES, "POSTERN_BOUNCES_IMAP_TLS", "none", "bounces.imap_tls"),
        (&BOUNCES, "POSTERN_BOUNCES_EVERY_SECONDS", "1", "bounces.every_seconds"),
        (&BOUNCES, "POSTERN_METRICS_LISTEN", "9090", "metrics_listen"),
    ] {
        let faults = load(&[&base[..], &[(changed, value)]].concat()).err().unwrap_or_default();
        assert!(faults.len() == 1 && faults[0].starts_with(&format!("{key}: ")), "{changed}={value}: {faults:?}");
        assert!(!faults[0].contains("very-secret"), "{faults:?}");
    }
}
