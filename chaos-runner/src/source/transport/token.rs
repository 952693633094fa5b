//! Secrets by reference: the name is kept, the value is read when it is needed.

use std::{fs::File, io::Read, path::Path, path::PathBuf};

use chaos_core::error::Source;
use reqwest::header::HeaderValue;

/// The longest token, in bytes.
const MAX_TOKEN: u64 = 16 * 1024;

/// Where a bearer token stands.
#[derive(Debug, Clone)]
pub(in crate::source) enum Token {
    /// In an environment variable.
    Env(String),
    /// In a file.
    File(PathBuf),
}

/// Why a bearer token cannot be read. Its value is never shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The variable is not set.
    #[error("the environment variable {0} with the bearer token is not set, or not UTF-8")]
    NoVariable(String),
    /// The file cannot be read.
    #[error("cannot read the bearer token in {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Source,
    },
    /// What stands there is not a token.
    #[error("the bearer token in {place} is {what}")]
    Invalid {
        /// The variable or file.
        place: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Token {
    /// The header that carries the token; marked as sensitive, so that it is in no log.
    pub(in crate::source) fn read(&self) -> Result<HeaderValue, TokenError> {
        let token = match self {
            Self::Env(name) => std::env::var(name).map_err(|_| TokenError::NoVariable(name.clone()))?,
            Self::File(path) => read_file(path)?,
        };
        let invalid = |what| TokenError::Invalid { place: self.place(), what };
        let token = token.trim();
        if token.is_empty() {
            return Err(invalid("empty"));
        }
        let header = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut header = header.map_err(|_| invalid("not fit for a header: control characters"))?;
        header.set_sensitive(true);
        Ok(header)
    }

    fn place(&self) -> String {
        match self {
            Self::Env(name) => name.clone(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

fn read_file(path: &Path) -> Result<String, TokenError> {
    let failed = |source: std::io::Error| TokenError::File { path: path.to_owned(), source: source.into() };
    let what = std::fs::metadata(path).map_err(failed)?;
    if !what.is_file() {
        return Err(failed(std::io::Error::other("not a regular file")));
    }
    let mut token = String::new();
    let file = File::open(path).map_err(failed)?;
    let length = file.take(MAX_TOKEN + 1).read_to_string(&mut token).map_err(failed)?;
    if length as u64 > MAX_TOKEN {
        return Err(failed(std::io::Error::other("longer than 16 KiB")));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::source::explain;

    fn file_with(content: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn a_token_is_trimmed_and_sensitive() {
        let file = file_with(b"  abc\n");
        let header = Token::File(file.path().to_owned()).read().unwrap();
        assert_eq!(header.to_str().unwrap(), "Bearer abc");
        assert_eq!(format!("{header:?}"), "Sensitive");
        assert!(Token::Env("PATH".into()).read().is_ok());
    }

    #[test]
    fn what_is_no_token_is_told_without_its_value() {
        for (content, expected) in [
            (&b" \n"[..], "is empty"),
            (b"sec\nret", "control characters"),
            (b"\xff\xfe", "UTF-8"),
            (&[b'x'; 20_000], "longer than 16 KiB"),
        ] {
            let file = file_with(content);
            let error = explain(&Token::File(file.path().to_owned()).read().unwrap_err());
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("sec"), "{error}");
        }
    }

    #[test]
    fn a_folder_or_nothing_is_no_token() {
        for path in ["/", "/no/such/file", "/dev/zero"] {
            let error = Token::File(path.into()).read().unwrap_err();
            assert_eq!(error.to_string(), format!("cannot read the bearer token in {path}"));
        }
    }
}
