//! `postern check-config`: reads the configuration and says what is wrong with it, creating nothing.

use super::{Failure, at_rest};
use crate::app;
use crate::clock::{Clock, Random};
use crate::config::{Config, EmrSignIn, Files, ProviderStep, TextsVia};
use crate::delivery::SmtpRoad;
use crate::emr::{Emr, EmrError};
use crate::emr_sources::KEYS_PATH;
use crate::provider::{ANSWER_PATH, EMR_ANSWER_PATH, LAUNCH_PATH, Provider};
use crate::scan::Scanner;
use crate::storage::Storage;
use crate::text::Zone;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

pub(super) async fn run(config: &Config, file: Option<&Path>) -> Result<ExitCode, Failure> {
    if let Some(smtp) = &config.smtp {
        SmtpRoad::new(smtp, Clock::system())?;
    }
    println!("the configuration is complete");
    println!("time zones: the rules of {}, which the program carries", Zone::release());
    println!("{}", texts(config));
    println!("{}", audit_log(config));
    println!("{}", backups(config));
    provider(config).await?.iter().for_each(|line| println!("{line}"));
    emr(config).await.iter().for_each(|line| println!("{line}"));
    at_rest::lines(config, file).await.iter().for_each(|line| println!("{line}"));
    files(&config.files).await.iter().for_each(|line| println!("{line}"));
    Ok(ExitCode::SUCCESS)
}

/// The line that says whether somebody who can write the database could rewrite the audit log unseen.
fn audit_log(config: &Config) -> String {
    let Some(key) = &config.audit_key else { return "audit log: not sealed; audit.key would do so".to_owned() };
    let file = config.audit_heads.as_ref().map(|file| file.display().to_string());
    let log = config.audit_seals_in_log.then(|| "the program's log".to_owned());
    let mail = config.audit_seals_by_mail.then(|| "the owners by mail".to_owned());
    let told: Vec<String> = [file, log, mail].into_iter().flatten().collect();
    match told.as_slice() {
        [] => format!("audit log: sealed with the key {}; audit.heads_file would find an old state put back", key.id()),
        told => format!("audit log: sealed with the key {}, told to {}", key.id(), told.join(", ")),
    }
}

/// The line that says whether and where the worker makes backups.
fn backups(config: &Config) -> String {
    match &config.backup {
        None => "backups: none by itself; backup.folder would do so, or `postern backup` in a timer".to_owned(),
        Some(backup) => {
            let sealed = if config.files.key.is_some() { "" } else { ", not encrypted; storage.key would do so" };
            let (folder, hours) = (backup.folder.display(), backup.every.whole_hours());
            let mirror = match &backup.bucket {
                None => {
                    "; on this machine only, unless the folder is of another; backup.bucket would copy them".to_owned()
                }
                Some(bucket) => format!(", and into the bucket {} at {}", bucket.name, bucket.endpoint),
            };
            format!("backups: into {folder} every {hours} hours{mirror}{sealed}")
        }
    }
}

/// The lines about the identity provider, and what it has to be told. A provider that does not answer is reported, but
/// is not an error of the configuration: it may answer later.
async fn provider(config: &Config) -> Result<Vec<String>, Failure> {
    let Some(oidc) = &config.oidc else {
        return Ok(vec!["sign-in: by password or passkey; oidc.issuer would name an identity provider".to_owned()]);
    };
    let provider = Provider::new(oidc, &config.origin(), Clock::system())?;
    let answers = match provider.answers().await {
        Ok(()) => "which answers".to_owned(),
        Err(cause) => format!("BUT {cause}"),
    };
    let only = if oidc.only { "only at" } else { "also at" };
    let mut lines = vec![
        format!("sign-in: {only} {} ({}), {answers}", oidc.name, oidc.issuer),
        format!("sign-in: its redirect address is {}{ANSWER_PATH}", config.origin()),
    ];
    if oidc.second_step == ProviderStep::Always {
        lines.push(
            "sign-in: the provider's sign-in stands for the second step: make sure that it asks for one".to_owned(),
        );
    }
    Ok(lines)
}

/// The lines about the EMRs, and what they have to be told. One that does not answer is reported, but is not an error of
/// the configuration: it may answer later.
async fn emr(config: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    for source in &config.emr {
        let emr = Emr::new(source, Clock::system(), Random::system(), Arc::new(|| Ok(None)));
        let answers = match tokio::task::spawn_blocking(move || emr.capabilities()).await {
            Ok(Ok(said)) => format!("which answers and speaks FHIR {}", said.version),
            // the key is in the database, which is not opened here
            Ok(Err(EmrError::NotAllowed(_))) => "which answers, and asks to sign in first".to_owned(),
            Ok(Err(cause)) => format!("BUT {cause}"),
            Err(cause) => format!("BUT {cause}"),
        };
        lines.push(format!("EMR: {} at {}, {answers}", source.name, source.base));
    }
    match app::launches(config, &Clock::system()) {
        Err(cause) => lines.push(format!("EMR: BUT it cannot open Postern: {cause}")),
        Ok(launches) => {
            for launch in launches {
                let answers = match launch.answers().await {
                    Ok(()) => "which signs in by OpenID Connect".to_owned(),
                    Err(cause) => format!("BUT {cause}"),
                };
                let (origin, name) = (config.origin(), launch.name());
                lines.push(format!("EMR: {name} opens {origin}{LAUNCH_PATH}, {answers}"));
                lines.push(format!("EMR: its redirect address is {origin}{EMR_ANSWER_PATH}"));
            }
        }
    }
    if config.emr.iter().any(|source| matches!(source.sign_in, EmrSignIn::Key(_))) {
        lines.push(format!("EMR: the address of the keys to register there is {}{KEYS_PATH}", config.origin()));
    }
    lines
}

/// The line about the gateway for texts, and what is left to set there.
fn texts(config: &Config) -> String {
    let incoming = "the address for incoming texts is on the page Settings, Gateways";
    match config.texts.as_ref().map(|texts| &texts.via) {
        None => "texts: no gateway is configured; text messages will fail and say so".to_owned(),
        Some(TextsVia::Twilio(_)) => format!("texts: by Twilio; {incoming}"),
        Some(TextsVia::Kannel(_)) => format!("texts: by Kannel; {incoming}"),
    }
}

/// The lines about where files are stored, their encryption, and the virus scanner. A server that does not answer is
/// reported, but is not an error of the configuration: it may answer later.
async fn files(files: &Files) -> Vec<String> {
    let place = match &files.bucket {
        None => format!("files: in the folder {}", files.folder.display()),
        Some(bucket) => {
            let answers = match Storage::bucket_answers(bucket).await {
                Ok(()) => "which answers".to_owned(),
                Err(cause) => format!("BUT {cause}"),
            };
            format!("files: in the bucket {} at {}, {answers}", bucket.name, bucket.endpoint)
        }
    };
    let sealed = match (&files.key, files.old_keys.len()) {
        (Some(key), 0) => format!("files: encrypted with the key {}", key.id()),
        (Some(key), old) => format!("files: encrypted with the key {}; {old} old keys are still read", key.id()),
        (None, 0) => "files: not encrypted; storage.key would do so".to_owned(),
        (None, _) => "files: not encrypted; those under old keys are written in clear again".to_owned(),
    };
    let mut lines = vec![place, sealed];
    match &files.scanner {
        None => lines.push("viruses: nothing looks for them; clamd.address would".to_owned()),
        Some(config) => {
            let scanner = Scanner::new(config);
            let answer = tokio::task::spawn_blocking(move || scanner.version()).await;
            lines.push(match answer {
                Ok(Ok(version)) => format!("viruses: looked for by {version}"),
                Ok(Err(cause)) => format!("viruses: BUT {cause}; attachments will wait for it"),
                Err(cause) => format!("viruses: BUT {cause}"),
            });
            if config.largest < files.largest_file {
                let taken = "no attachment larger than clamd.largest_mb is taken";
                lines.push(format!("viruses: {taken}; raise it together with StreamMaxLength in clamd.conf"));
            }
        }
    }
    lines
}
