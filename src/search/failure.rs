//! What an error of Tantivy means: damage, which only a rebuild mends, or a system that says no, which may pass.
//!
//! Only the first is ever a reason to replace an index: the second (too many open files, no permission, a full or failing disk) says
//! nothing of what is in it.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use tantivy::TantivyError;
use tantivy::directory::error::OpenReadError;

use super::SearchError;
use crate::archive::ArchiveError;
use crate::panics;

/// Whether an error says that files are missing, damaged or of another version.
pub(super) fn is_damage(error: &TantivyError) -> bool {
    match error {
        TantivyError::DataCorruption(_)
        | TantivyError::IncompatibleIndex(_)
        | TantivyError::SchemaError(_)
        | TantivyError::FieldNotFound(_)
        | TantivyError::DeserializeError(_) => true,
        TantivyError::OpenReadError(error) => is_damage_of_a_file(error),
        TantivyError::IoError(error) => is_damage_in_io(error),
        _ => false,
    }
}

/// The same of a file that was to be read.
pub(super) fn is_damage_of_a_file(error: &OpenReadError) -> bool {
    match error {
        OpenReadError::FileDoesNotExist(_) | OpenReadError::IncompatibleIndex(_) => true,
        OpenReadError::IoError { io_error, .. } => is_damage_in_io(io_error),
    }
}

/// The same of what was read: it ends too early, or is not what it should be.
pub(super) fn is_damage_in_io(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)
}

/// Whether it may be damage that the indexer has failed on: a system that says no, such as a full disk, and a failing archive are none.
pub(super) fn may_be_damage(error: &anyhow::Error) -> bool {
    let is_refusal = |error: &io::Error| error.raw_os_error().is_some();
    error.chain().all(|cause| match cause.downcast_ref::<TantivyError>() {
        Some(TantivyError::IoError(error)) => !is_refusal(error),
        Some(TantivyError::OpenReadError(OpenReadError::IoError { io_error, .. })) => !is_refusal(io_error),
        Some(TantivyError::OpenWriteError(_) | TantivyError::LockFailure(..) | TantivyError::OpenDirectoryError(_)) => false,
        Some(_) => true,
        None => {
            cause.downcast_ref::<ArchiveError>().is_none() && cause.downcast_ref::<io::Error>().is_none_or(|e| !is_refusal(e))
        }
    })
}

/// Why an index could not be opened.
pub(super) fn not_opened(path: &Path, error: &TantivyError) -> SearchError {
    if is_damage(error) { unusable(path, error) } else { refused(path, error) }
}

/// The index cannot be used as it is: only a rebuild helps.
pub(super) fn unusable(path: &Path, why: &dyn std::fmt::Display) -> SearchError {
    SearchError::Unusable { path: path.to_owned(), why: why.to_string() }
}

/// The system says no; nothing is known of the index.
pub(super) fn refused(path: &Path, why: &dyn std::fmt::Display) -> SearchError {
    SearchError::Refused { path: path.to_owned(), why: why.to_string() }
}

/// What failed in an open index.
pub(super) fn failed(path: &Path, error: &TantivyError) -> SearchError {
    let (path, why) = (path.to_owned(), error.to_string());
    if is_damage(error) { SearchError::Damaged { path, why } } else { SearchError::Index { path, why } }
}

/// Does something with files that may be damaged, which Tantivy meets by panicking; the error is the panic's text.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // What panics half way is a search or an opening: nothing that is used afterwards was changed by it.
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| format!("reading it panicked: {}", panics::said(&*panic)))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_the_system_refuses_is_no_damage() {
        let path = Path::new("index");
        let errors = |error: io::Error| {
            let (io_error, filepath) = (Arc::new(error), PathBuf::from("a.term"));
            [
                not_opened(path, &TantivyError::IoError(Arc::clone(&io_error))),
                not_opened(path, &OpenReadError::IoError { io_error, filepath }.into()),
            ]
        };
        // EACCES, ENFILE, EMFILE, ENOSPC, EIO, ENOMEM.
        for code in [13, 23, 24, 28, 5, 12] {
            for error in errors(io::Error::from_raw_os_error(code)) {
                assert!(matches!(error, SearchError::Refused { .. }), "{code}: {error}");
            }
        }
        for kind in [io::ErrorKind::UnexpectedEof, io::ErrorKind::InvalidData] {
            for error in errors(kind.into()) {
                assert!(matches!(error, SearchError::Unusable { .. }), "{kind:?}: {error}");
            }
        }
        let full = TantivyError::IoError(Arc::new(io::Error::from_raw_os_error(28)));
        assert!(!may_be_damage(&anyhow::Error::new(full).context("cannot commit")));
        assert!(may_be_damage(&anyhow::Error::new(TantivyError::ErrorInThread("panicked".to_owned())).context("cannot commit")));
        let gone = OpenReadError::FileDoesNotExist(PathBuf::from("a.term"));
        assert!(matches!(not_opened(path, &gone.into()), SearchError::Unusable { .. }));
    }
}
