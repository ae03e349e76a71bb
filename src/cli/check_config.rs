//! `postern check-config`: reads the configuration and says what is wrong with it, creating nothing.

use super::Failure;
use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::SmtpRoad;
use std::process::ExitCode;

pub(super) async fn run(config: &Config) -> Result<ExitCode, Failure> {
    if let Some(smtp) = &config.smtp {
        SmtpRoad::new(smtp, Clock::system())?;
    }
    println!("the configuration is complete");
    println!("texts: no gateway is configured; text messages will fail and say so");
    Ok(ExitCode::SUCCESS)
}
