//! What the scrub does and has found, as `GET /api/status` shows it.

use serde::{Deserialize, Serialize};
use tandem_storage::scrub::{Referent, What};

use crate::replication::report::rfc3339;
use crate::work::{Finding, Place, ScrubState, Subject};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScrubReport {
    /// resting, blobs, digests or totals.
    pub state: String,
    /// The round that runs, or the last one; 0: there was none yet.
    pub round: u64,
    pub began: Option<String>,
    /// When the last complete round ended.
    pub ended: Option<String>,
    /// What this round has verified.
    pub blobs: u64,
    pub bytes: u64,
    pub digests: u64,
    pub findings: Vec<FindingReport>,
    /// Findings that the list had no room for.
    pub unlisted: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FindingReport {
    /// blob, digest or total.
    pub kind: String,
    /// Which blob and where it is stored; or which restore point of which path.
    pub subject: String,
    pub reason: String,
    pub found: String,
    /// What cannot be read because of it.
    pub referents: Vec<ReferentReport>,
    /// How many more there are.
    pub further: u64,
}

/// A version of an object, or a part of an upload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReferentReport {
    pub bucket: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u16>,
    /// Only snapshots have it.
    pub past: bool,
    /// All of that in a line.
    pub text: String,
}

impl From<&ScrubState> for ScrubReport {
    fn from(state: &ScrubState) -> Self {
        let name = match state.place {
            Place::Resting => "resting",
            Place::Blobs(_) => "blobs",
            Place::Digests => "digests",
            Place::Totals => "totals",
        };
        ScrubReport {
            state: name.to_owned(),
            round: state.round,
            began: (state.round > 0).then(|| rfc3339(state.began)),
            ended: state.ended.map(rfc3339),
            blobs: state.blobs,
            bytes: state.bytes,
            digests: state.digests,
            findings: state.findings.iter().map(FindingReport::from).collect(),
            unlisted: state.unlisted,
        }
    }
}

impl From<&Finding> for FindingReport {
    fn from(finding: &Finding) -> Self {
        let (kind, subject) = match &finding.subject {
            Subject::Blob { hash, place, .. } => ("blob", format!("blob {hash}, {place}")),
            Subject::Digest { path, snapshot, name } => {
                ("digest", format!("{path}, restore point {name} ({snapshot})"))
            }
            Subject::Total { path, snapshot, name } => ("total", format!("{path}, restore point {name} ({snapshot})")),
            Subject::Kept { whose } => ("total", format!("the total of {whose}")),
        };
        FindingReport {
            kind: kind.to_owned(),
            subject,
            reason: finding.reason.clone(),
            found: rfc3339(finding.at),
            referents: finding.referents.iter().map(ReferentReport::from).collect(),
            further: finding.further,
        }
    }
}

impl From<&Referent> for ReferentReport {
    fn from(referent: &Referent) -> Self {
        let (mut key, mut version, mut upload, mut part) = (None, None, None, None);
        match referent.what.clone() {
            What::Version { key: of, version: which } => (key, version) = (Some(of), Some(which)),
            What::Part { upload: of, number } => (upload, part) = (Some(of), Some(number)),
        }
        let (bucket, past, text) = (referent.bucket.clone(), referent.past, referent.to_string());
        ReferentReport { bucket, key, version, upload, part, past, text }
    }
}
