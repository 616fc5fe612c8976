//! What a request tells policies whatever it asks for, and at whichever face: one answer for S3's requests, however signed, and for
//! IAM's and STS's. A key that only one face knew would make a Deny hold at that face alone.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::IpAddr;

use http::HeaderMap;
use http::header::{HeaderName, REFERER, USER_AGENT};
use jiff::Timestamp as Date;
use tandem_policy::Values;
use tandem_storage::types::Timestamp;

use crate::identity::{AccountId, Credential, Register};

/// What a face knows of a request.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    pub received: Timestamp,
    /// The socket's other end. No header has a say in it.
    pub client: IpAddr,
    pub secure: bool,
    pub headers: &'a HeaderMap,
    pub region: &'a str,
    pub credential: Option<&'a Credential>,
    pub register: &'a Register,
    /// The account that owns what is asked for; absent: nobody's.
    pub account: Option<AccountId>,
}

/// The values of the global keys, each worked out when a policy asks for it, and kept.
pub struct Globals<'a> {
    facts: Facts<'a>,
    address: OnceCell<String>,
    date: OnceCell<String>,
    seconds: OnceCell<String>,
    issued: OnceCell<Option<String>>,
    agent: OnceCell<Option<Cow<'a, str>>>,
    referer: OnceCell<Option<Cow<'a, str>>>,
    organization: OnceCell<Option<Organization>>,
}

struct Organization {
    id: String,
    paths: Vec<String>,
}

impl<'a> Globals<'a> {
    pub fn of(facts: Facts<'a>) -> Self {
        Globals {
            facts,
            address: OnceCell::new(),
            date: OnceCell::new(),
            seconds: OnceCell::new(),
            issued: OnceCell::new(),
            agent: OnceCell::new(),
            referer: OnceCell::new(),
            organization: OnceCell::new(),
        }
    }

    /// The values of `key`, in its normal form; absent, too, for keys that are not global.
    pub fn get(&self, key: &str) -> Values<'_> {
        let facts = &self.facts;
        match key {
            "aws:sourceip" => Values::One(self.address.get_or_init(|| facts.client.to_string())),
            "aws:securetransport" => Values::One(if facts.secure { "true" } else { "false" }),
            "aws:currenttime" => Values::One(self.date.get_or_init(|| date(facts.received))),
            "aws:epochtime" => Values::One(self.seconds.get_or_init(|| facts.received.as_secs().to_string())),
            "aws:useragent" => Values::from_option(self.agent.get_or_init(|| self.header(&USER_AGENT)).as_deref()),
            "aws:referer" => Values::from_option(self.referer.get_or_init(|| self.header(&REFERER)).as_deref()),
            "aws:requestedregion" => Values::One(facts.region),
            // No service asks in anybody's name.
            "aws:viaawsservice" | "aws:viaawsmcpservice" | "aws:ismcpserviceaction" => Values::One("false"),
            "aws:tokenissuetime" => {
                let issued = || facts.credential.and_then(|credential| credential.issued).map(date);
                Values::from_option(self.issued.get_or_init(issued).as_deref())
            }
            // Temporary credentials say whether they were got with a second factor; long-term keys do not.
            "aws:multifactorauthpresent" => {
                let session = facts.credential.is_some_and(Credential::is_session);
                Values::from_option(session.then_some("false"))
            }
            "aws:resourceorgid" => Values::from_option(self.organization().map(|held| held.id.as_str())),
            "aws:resourceorgpaths" => self.organization().map_or(Values::Absent, |held| Values::Many(&held.paths)),
            _ => Values::Absent,
        }
    }

    /// Bytes that are not UTF-8 do not hide the rest of a header.
    fn header(&self, name: &HeaderName) -> Option<Cow<'a, str>> {
        self.facts.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
    }

    /// Of the account that owns what is asked for; absent: this node does not know that account.
    fn organization(&self) -> Option<&Organization> {
        let found = || {
            let directory = self.facts.register.directory();
            let account = self.facts.account.filter(|id| directory.account(*id).is_some())?;
            let id = directory.organization().id.to_string();
            Some(Organization { id, paths: vec![directory.organization_path(account)] })
        };
        self.organization.get_or_init(found).as_ref()
    }
}

/// `2013-05-24T00:00:00Z`
fn date(at: Timestamp) -> String {
    Date::from_second(at.as_secs()).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
