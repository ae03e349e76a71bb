//! `postern check-config`: reads the configuration and says what is wrong with it, creating nothing.

use super::Failure;
use crate::clock::Clock;
use crate::config::{Config, TextsVia};
use crate::delivery::SmtpRoad;
use std::process::ExitCode;

pub(super) async fn run(config: &Config) -> Result<ExitCode, Failure> {
    if let Some(smtp) = &config.smtp {
        SmtpRoad::new(smtp, Clock::system())?;
    }
    println!("the configuration is complete");
    println!("{}", texts(config));
    Ok(ExitCode::SUCCESS)
}

/// Which road the texts take, and what is left to do at the gateway.
fn texts(config: &Config) -> String {
    let incoming = "the address for incoming texts is on the page Settings, Gateways";
    match config.texts.as_ref().map(|texts| &texts.via) {
        None => "texts: no gateway is configured; text messages will fail and say so".to_owned(),
        Some(TextsVia::Twilio(_)) => format!("texts: by Twilio; {incoming}"),
        Some(TextsVia::Kannel(_)) => format!("texts: by Kannel; {incoming}"),
    }
}
