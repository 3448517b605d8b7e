//! `[mirror]`: the storage server that gets every stored file once more.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::EndpointUrl;
use crate::mirror::{Credentials, MirrorSettings, UPLOADS_MAX};

/// The mirror of stored files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MirrorConfig {
    /// The bucket; empty for no mirror. It must exist.
    pub bucket: String,
    /// The storage server, such as "https://s3.example.org"; empty for Amazon's in the region.
    pub endpoint: EndpointUrl,
    /// The region that requests are signed for. Servers other than Amazon's mostly take any.
    pub region: String,
    /// What the names of all objects begin with, such as "telescribe/files". Bucket and prefix are one archive's own.
    pub prefix: String,
    /// File with the keys, which only its owner may read: lines `access_key_id = …` and `secret_access_key = …`. The environment variables
    /// TELESCRIBE_MIRROR_ACCESS_KEY_ID and TELESCRIBE_MIRROR_SECRET_ACCESS_KEY may hold them instead.
    pub credentials_file: PathBuf,
    /// Whether the bucket is in the path of addresses (https://s3.example.org/bucket), and not in the host name (https://bucket.s3.example.org).
    pub path_style: bool,
    /// Whether a server elsewhere may be asked without encryption. On this machine it may always be.
    pub allow_http: bool,
    /// Uploads at once, 1 to 32; each has up to 16 MiB in memory, all together 96 MiB.
    pub uploads: usize,
    /// Whether copies on this machine are removed once they are in the mirror and were read back from there. Files are then served through the mirror.
    pub drop_local: bool,
    /// Whether objects of files that nothing refers to any more are removed from the mirror, too.
    pub delete: bool,
}

impl Default for MirrorConfig {
    fn default() -> Self {
        Self {
            bucket: String::new(),
            endpoint: EndpointUrl::default(),
            // What Amazon's own programs take for none.
            region: "us-east-1".to_owned(),
            prefix: String::new(),
            credentials_file: PathBuf::new(),
            // Every server has it; host names need a certificate for each bucket.
            path_style: true,
            allow_http: false,
            // Enough for a line of 100 Mbit/s, also where most files are small.
            uploads: 4,
            drop_local: false,
            // What was erased here is not to stay elsewhere.
            delete: true,
        }
    }
}

/// Characters of a prefix that mean the same in addresses, names of files and all tools.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

impl MirrorConfig {
    /// Whether there is a mirror.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.bucket.is_empty()
    }

    /// What is wrong, and with which key.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let endpoint = self.endpoint.get().map_err(|error| ("endpoint", error.to_string()))?;
        if !self.is_on() {
            return match endpoint.is_some() || self.drop_local || !self.credentials_file.as_os_str().is_empty() {
                true => Err(("bucket", "must name a bucket; leave the whole section out for no mirror".to_owned())),
                false => Ok(()),
            };
        }
        let is_bucket = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        let ends_well = !self.bucket.starts_with(['-', '.']) && !self.bucket.ends_with(['-', '.']);
        if !(3..=63).contains(&self.bucket.len()) || !self.bucket.chars().all(is_bucket) || !ends_well {
            return Err(("bucket", "must have 3 to 63 lower-case letters, digits, hyphens and dots".to_owned()));
        }
        if self.region.is_empty() || !self.region.chars().all(is_plain) {
            return Err(("region", "must be the name of a region, such as \"eu-central-1\"".to_owned()));
        }
        let has_part = |part: &str| !part.is_empty() && part.chars().all(is_plain) && part != "." && part != "..";
        if !self.prefix.is_empty() && (self.prefix.len() > 512 || !self.prefix.split('/').all(has_part)) {
            let why = "must have letters, digits, hyphens, dots and underscores, with a slash between parts and none at its ends";
            return Err(("prefix", why.to_owned()));
        }
        if !(1..=UPLOADS_MAX).contains(&self.uploads) {
            return Err(("uploads", format!("must be 1 to {UPLOADS_MAX}")));
        }
        match endpoint {
            Some(endpoint) if !endpoint.is_secure() && !endpoint.is_loopback() && !self.allow_http => Err((
                "endpoint",
                "must start with https://: files would cross the network in clear; set `allow_http` if that network is trusted"
                    .to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// How to mirror, with these keys; nothing where there is no mirror, or the configuration is not valid.
    #[must_use]
    pub fn settings(&self, credentials: Credentials) -> Option<MirrorSettings> {
        let endpoint = self.endpoint.get().ok().filter(|_| self.is_on())?;
        Some(MirrorSettings {
            endpoint: endpoint.cloned(),
            bucket: self.bucket.clone(),
            region: self.region.clone(),
            prefix: self.prefix.clone(),
            path_style: self.path_style,
            credentials,
            uploads: self.uploads,
            drop_local: self.drop_local,
            delete: self.delete,
        })
    }
}
