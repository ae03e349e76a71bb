//! What `postern check-config` says of text and files at rest: it calls every setting weak that leaves them open to
//! others.

use crate::config::Config;
use crate::db::sealed::keys_of_text;
use crate::db::{DatabaseUrl, Db};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub(super) async fn lines(config: &Config, file: Option<&Path>) -> Vec<String> {
    let mut lines = vec![text(config).await];
    if config.files.key.is_none() {
        lines.push(
            "weak: the key that signs cookies lies in the database in clear; storage.key would seal it".to_owned(),
        );
    }
    let secret = |path: &Path| format!("weak: others on this machine can read {}: chmod 600", path.display());
    lines.extend(
        config
            .files
            .key_file
            .iter()
            .chain(config.oidc.iter().filter_map(|oidc| oidc.client_secret_file.as_ref()))
            .chain(config.emr.iter().flat_map(|source| &source.secret_files))
            .chain(file.map(Path::to_owned).iter())
            .filter(|path| is_open(path))
            .map(|path| secret(path)),
    );
    if let DatabaseUrl::Sqlite(path) = &config.database {
        lines.extend(is_open(path).then(|| secret(path)));
    }
    let folders = [Some(&config.files.folder), config.backup.as_ref().map(|backup| &backup.folder)];
    for folder in folders.into_iter().flatten().filter(|folder| is_open(folder)) {
        lines.push(format!("weak: others on this machine can look into {}: chmod 700", folder.display()));
    }
    lines
}

/// Whether anybody but the owner has a permission on the file or folder; `false` where it does not exist.
fn is_open(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}

/// The line that says whether all text is sealed.
async fn text(config: &Config) -> String {
    let Some(key) = &config.files.key else {
        return "weak: text of patients lies in clear in the database; storage.key would seal it".to_owned();
    };
    let (url, id) = (config.database.clone(), key.id());
    let known = tokio::task::spawn_blocking(move || Db::look(&url, keys_of_text)).await;
    match known {
        Ok(Ok(Some(known))) => match known.iter().find(|(known, _)| *known == id) {
            Some((_, true)) if known.len() == 1 => format!("text: all of it is sealed with the key {id}"),
            _ => format!(
                "weak: text is sealed with the key {id}, but not yet all of it; a worker will do so within the hour, or \
                 `postern keys rotate`"
            ),
        },
        Ok(Ok(None)) => format!("text: will be sealed with the key {id}"),
        Ok(Err(cause)) => format!("text: will be sealed with the key {id}; BUT the database cannot be read: {cause}"),
        Err(cause) => format!("text: BUT {cause}"),
    }
}
