//! A secret: given in the configuration, or in a file that is read again when it changes. Never printable (law 8).

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use secrecy::{ExposeSecret, SecretString};

/// A secret value. Cloning shares it.
#[derive(Clone)]
pub struct Secret(Arc<Origin>);

enum Origin {
    Given(SecretString),
    File { path: PathBuf, last: Mutex<Option<(Stamp, SecretString)>> },
}

/// What tells that a file is not the one read before: its device and inode (a mounted Secret is another file each
/// time), its length, and when it was written and changed.
type Stamp = ([u64; 3], [i64; 4]);

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}: {source}", path = path.display())]
pub struct SecretError {
    path: PathBuf,
    source: std::io::Error,
}

impl Secret {
    /// A secret that stands in the configuration itself.
    pub fn given(value: impl Into<SecretString>) -> Self {
        Self(Arc::new(Origin::Given(value.into())))
    }

    /// A secret in a file; a trailing newline is dropped. The file is read when the secret is first needed.
    pub fn in_file(path: impl Into<PathBuf>) -> Self {
        Self(Arc::new(Origin::File { path: path.into(), last: Mutex::new(None) }))
    }

    /// Where it is read from, if from a file.
    pub fn path(&self) -> Option<&Path> {
        match &*self.0 {
            Origin::Given(_) => None,
            Origin::File { path, .. } => Some(path),
        }
    }

    /// The value as it is now. A file that has gone away keeps its last value.
    pub fn reveal(&self) -> Result<SecretString, SecretError> {
        let (path, last) = match &*self.0 {
            Origin::Given(value) => return Ok(value.clone()),
            Origin::File { path, last } => (path, last),
        };
        let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let read = || {
            let stamp = stamp(&std::fs::metadata(path)?);
            if let Some((known, value)) = &*last
                && *known == stamp
            {
                return Ok((stamp, value.clone()));
            }
            let text = std::fs::read_to_string(path)?;
            let text = text.strip_suffix('\n').unwrap_or(&text);
            Ok((stamp, SecretString::from(text.strip_suffix('\r').unwrap_or(text))))
        };
        match (read(), &*last) {
            (Ok((stamp, value)), _) => {
                *last = Some((stamp, value.clone()));
                Ok(value)
            }
            (Err(_), Some((_, value))) => Ok(value.clone()),
            (Err(source), None) => Err(SecretError { path: path.clone(), source }),
        }
    }
}

fn stamp(meta: &std::fs::Metadata) -> Stamp {
    ([meta.dev(), meta.ino(), meta.len()], [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()])
}

/// Whether two configurations mean the same secret: the same words, or the same file. What somebody shows is compared
/// elsewhere, in constant time.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        match (&*self.0, &*other.0) {
            (Origin::Given(one), Origin::Given(other)) => one.expose_secret() == other.expose_secret(),
            (Origin::File { path: one, .. }, Origin::File { path: other, .. }) => one == other,
            (Origin::Given(_), Origin::File { .. }) | (Origin::File { .. }, Origin::Given(_)) => false,
        }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.0 {
            Origin::Given(_) => f.write_str("Secret(given)"),
            Origin::File { path, .. } => write!(f, "Secret(in {})", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printable() {
        assert_eq!(format!("{:?}", Secret::given("planted")), "Secret(given)");
    }

    #[test]
    fn a_secret_file_is_read_again_when_it_changes_and_outlives_its_removal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let secret = Secret::in_file(&path);
        assert!(secret.reveal().unwrap_err().to_string().contains("token"));
        std::fs::write(&path, "first\n").unwrap();
        assert_eq!(secret.reveal().unwrap().expose_secret(), "first");
        std::fs::write(&path, "the second\r\n").unwrap();
        assert_eq!(secret.reveal().unwrap().expose_secret(), "the second");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(secret.reveal().unwrap().expose_secret(), "the second");
    }
}
