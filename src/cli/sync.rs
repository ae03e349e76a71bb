//! `postern sync`: reads from the clinic's EMRs what the worker would read by itself.

use super::{Failure, signals};
use crate::app;
use crate::attachments::FileIntake;
use crate::clock::{Clock, Random};
use crate::config::Config;
use crate::db::DbError;
use crate::emr_sources;
use crate::sync::{self, Outcome, Parts, Source, Trouble, Wanted};
use clap::Args;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

#[derive(Args)]
pub(super) struct Options {
    /// read once what has changed, and end; without this or `--full` it goes on until it is stopped
    #[arg(long)]
    once: bool,
    /// read every record again, and end
    #[arg(long)]
    full: bool,
    /// only this source, by its name in the configuration
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
}

/// How often it is seen whether a source is to be asked.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The most sorts of left-out records that are listed.
const MOST_TOLD: i64 = 500;

pub(super) async fn run(config: &Config, options: Options) -> Result<ExitCode, Failure> {
    let is_chosen = |name: &str| options.source.as_deref().is_none_or(|chosen| chosen == name);
    if !config.emr.iter().any(|emr| is_chosen(&emr.name)) {
        let names: Vec<&str> = config.emr.iter().map(|emr| emr.name.as_str()).collect();
        return Err(match names.is_empty() {
            true => "no EMR is configured: write one under [emr]".to_owned(),
            false => format!("--source: no source has this name: write one of {}", names.join(", ")),
        }
        .into());
    }
    let parts = Parts {
        db: super::open(config).await?,
        clock: Clock::system(),
        random: Random::system(),
        intake: Arc::new(FileIntake::open(&config.files)?),
        calling_code: config.calling_code.clone(),
    };
    let sources = app::sources(config, &parts.db, &parts.clock, &parts.random).await?.into_iter();
    let sources: Vec<Arc<dyn Source>> =
        sources.filter(|emr| is_chosen(emr.name())).map(|emr| Arc::new(emr) as Arc<dyn Source>).collect();
    if !options.once && !options.full {
        return tokio::select! {
            () = signals::asked_to_stop() => Ok(ExitCode::SUCCESS),
            ended = keep_on(&parts, &sources) => ended,
        };
    }
    let wanted = if options.full { Wanted::All } else { Wanted::News };
    let mut is_whole = true;
    for source in sources {
        is_whole &= round(&parts, &source, wanted).await?;
    }
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks each source that an owner has switched on when its time has come.
async fn keep_on(parts: &Parts, sources: &[Arc<dyn Source>]) -> Result<ExitCode, Failure> {
    loop {
        for source in sources {
            let (now, name) = (parts.clock.now(), source.name().to_owned());
            let is_due = parts.db.read(move |conn| -> Result<_, DbError> {
                Ok(emr_sources::source_state(conn, &name)?.switches.sync && sync::is_due(conn, now, &name)?)
            });
            if is_due.await? {
                sync::run(parts, source.clone(), None).await?;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// One round of a source to its end; whether it came there. A server that asks to wait is waited for.
async fn round(parts: &Parts, source: &Arc<dyn Source>, wanted: Wanted) -> Result<bool, Failure> {
    let name = source.name();
    loop {
        match sync::run(parts, source.clone(), Some(wanted)).await? {
            Outcome::Done => {
                report(parts, name).await?;
                return Ok(true);
            }
            Outcome::NotNow => {
                eprintln!("{name}: not now: it is being read already, or its quiet hours have not come");
                return Ok(false);
            }
            Outcome::Stopped(Trouble::Later, next) => {
                let pause = next.since(parts.clock.now());
                eprintln!("{name}: asks to wait for {} s", pause.whole_seconds().max(0));
                tokio::time::sleep(Duration::try_from(pause).unwrap_or_default()).await;
            }
            Outcome::Stopped(trouble, _) => {
                eprintln!("{name}: FAILED: {}: the next round goes on where this one was", trouble.as_str());
                return Ok(false);
            }
        }
    }
}

/// Prints how many records were read, and what was left out.
async fn report(parts: &Parts, name: &str) -> Result<(), Failure> {
    let source = name.to_owned();
    let read = parts.db.read(move |conn| -> Result<_, DbError> {
        Ok((sync::progress(conn, &source)?, sync::left_out(conn, &source, MOST_TOLD)?))
    });
    let (kinds, left) = read.await?;
    for kind in kinds.iter().filter(|kind| kind.seen > 0) {
        println!("{name}: {} {} read", kind.seen, kind.kind);
    }
    for (what, why, times) in left {
        println!("{name}: skipped {what}: {times} ({why})");
    }
    println!("{name}: up to date");
    Ok(())
}
