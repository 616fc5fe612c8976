//! Listings of a node, whole, page by page; and two nodes compared by them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::http::{Answer, Ask, Client, encoded};

/// Every page of a bucket's versions is compared byte for byte: keys, version ids, which is the latest, ETags, sizes,
/// times, owners, delete markers.
pub struct Listing {
    pub pages: Vec<String>,
    /// Keys of objects of the present and their ETags, from ListObjectsV2.
    pub objects: BTreeMap<String, String>,
    /// Keys and version ids, from ListObjectVersions.
    pub versions: Vec<(String, String)>,
}

const PAGE: usize = 1000;

pub fn get(client: &mut Client, target: &str, ask: &Ask) -> Answer {
    let answer = client.send("GET", target, ask).unwrap();
    assert!(answer.is_success(), "GET {target}?{}: {} {}", ask.query, answer.status, answer.text());
    answer
}

/// Keys that begin with `prefix`, with their ETags, from ListObjectsV2. `pages` gets what the node said.
///
/// # Errors
/// The node is down, or lists nothing now.
pub fn try_objects(
    client: &mut Client,
    bucket: &str,
    prefix: &str,
    pages: &mut Vec<String>,
) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    loop {
        let after = found.last_key_value().map_or(String::new(), |(key, _): (&String, &String)| encoded(key));
        let query = format!("list-type=2&max-keys={PAGE}&prefix={}&start-after={after}", encoded(prefix));
        let answer = client.send("GET", &format!("/{bucket}"), &Ask::query(query));
        let answer = answer.map_err(|error| error.to_string())?;
        let page = answer.text();
        if !answer.is_success() {
            return Err(format!("LIST {bucket}: {} {page}", answer.status));
        }
        for entry in inside(&page, "Contents") {
            found.insert(one(entry, "Key").to_owned(), one(entry, "ETag").replace("&quot;", "").replace('"', ""));
        }
        let more = one(&page, "IsTruncated") == "true";
        pages.push(page);
        if !more {
            return Ok(found);
        }
    }
}

pub fn objects(client: &mut Client, bucket: &str, prefix: &str, pages: &mut Vec<String>) -> BTreeMap<String, String> {
    try_objects(client, bucket, prefix, pages).unwrap()
}

impl Listing {
    pub fn of(node: SocketAddr, bucket: &str) -> Listing {
        let (mut client, mut pages, mut versions) = (Client::new(node), Vec::new(), Vec::new());
        let objects = objects(&mut client, bucket, "", &mut pages);
        let mut after = None;
        loop {
            let page = get(&mut client, &format!("/{bucket}"), &Ask::query(versions_after(after.as_ref()))).text();
            for kind in ["Version", "DeleteMarker"] {
                let entries = inside(&page, kind);
                versions
                    .extend(entries.map(|entry| (one(entry, "Key").to_owned(), one(entry, "VersionId").to_owned())));
            }
            let more = one(&page, "IsTruncated") == "true";
            after = Some((one(&page, "NextKeyMarker").to_owned(), one(&page, "NextVersionIdMarker").to_owned()));
            pages.push(page);
            if !more {
                break;
            }
        }
        for what in ["tagging", "versioning", "uploads", "policy", "ownershipControls"] {
            let answer = client.send("GET", &format!("/{bucket}"), &Ask::query(format!("{what}="))).unwrap();
            pages.push(stable(&answer));
            if what == "uploads" {
                pages.extend(parts(&mut client, bucket, &answer.text()));
            }
        }
        Listing { pages, objects, versions }
    }

    /// What two nodes list otherwise, in words. `self` is the source's.
    pub fn differs(&self, other: &Listing) -> Vec<String> {
        let mut wrong = Vec::new();
        for (key, etag) in &self.objects {
            match other.objects.get(key) {
                None => wrong.push(format!("{key} is missing")),
                Some(shown) if shown != etag => wrong.push(format!("{key} is another")),
                Some(_) => {}
            }
        }
        wrong.extend(
            other.objects.keys().filter(|key| !self.objects.contains_key(*key)).map(|key| format!("{key} is too much")),
        );
        let (here, there) =
            (self.versions.iter().collect::<BTreeSet<_>>(), other.versions.iter().collect::<BTreeSet<_>>());
        wrong.extend(here.difference(&there).map(|(key, version)| format!("{key} lacks version {version}")));
        wrong.extend(there.difference(&here).map(|(key, version)| format!("{key} has version {version} too much")));
        if wrong.is_empty() && self.pages != other.pages {
            let pairs = self.pages.iter().zip(&other.pages);
            wrong.extend(pairs.filter(|(one, two)| one != two).map(|(one, two)| format!("{one}\nis not\n{two}")));
            wrong.push(format!("{} pages here, {} there", self.pages.len(), other.pages.len()));
        }
        wrong
    }
}

/// The query of ListObjectVersions from behind a key and a version id, its names in order.
fn versions_after(after: Option<&(String, String)>) -> String {
    match after {
        None => format!("max-keys={PAGE}&versions="),
        Some((key, version)) => {
            let (key, version) = (encoded(key), encoded(version));
            format!("key-marker={key}&max-keys={PAGE}&version-id-marker={version}&versions=")
        }
    }
}

/// The parts of each upload that a list of uploads names.
fn parts(client: &mut Client, bucket: &str, uploads: &str) -> Vec<String> {
    let entries = inside(uploads, "Upload");
    let named: Vec<(String, String)> =
        entries.map(|entry| (one(entry, "Key").to_owned(), one(entry, "UploadId").to_owned())).collect();
    let ask = |(key, id): &(String, String)| {
        let query = Ask::query(format!("uploadId={}", encoded(id)));
        get(client, &format!("/{bucket}/{key}"), &query).text()
    };
    named.iter().map(ask).collect()
}

/// Two nodes compared object by object: everything that HEAD tells, the tags, and the bytes. `which` picks the versions.
pub fn compare_objects(nodes: [SocketAddr; 2], bucket: &str, which: &[(String, String)]) -> Vec<String> {
    let mut clients = nodes.map(Client::new);
    let mut wrong = Vec::new();
    for (key, version) in which {
        let (target, version) = (format!("/{bucket}/{key}"), encoded(version));
        for (method, query) in
            [("HEAD", format!("versionId={version}")), ("GET", format!("tagging=&versionId={version}"))]
        {
            let ask = Ask::query(query);
            let told = clients.each_mut().map(|client| stable(&client.send(method, &target, &ask).unwrap()));
            if told[0] != told[1] {
                wrong.push(format!("{method} {key} {version}:\n{}\nis not\n{}", told[0], told[1]));
            }
        }
        let ask = Ask::query(format!("versionId={version}"));
        let got = clients.each_mut().map(|client| client.send("GET", &target, &ask).unwrap());
        // A delete marker is refused, by each node with its own request id.
        let equal = match (got[0].is_success(), got[1].is_success()) {
            (true, true) => got[0].body == got[1].body,
            _ => stable(&got[0]) == stable(&got[1]),
        };
        if !equal {
            wrong.push(format!("GET {key} {version}: {} and {}, other bytes", got[0].status, got[1].status));
        }
    }
    wrong
}

/// An answer without what differs from request to request and from node to node.
fn stable(answer: &Answer) -> String {
    let own = ["date", "x-amz-request-id", "x-amz-id-2", "server", "connection", "x-tandem-role"];
    let headers = answer.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
    let mut headers: Vec<String> = headers.map(|(name, value)| format!("{name}: {value}")).collect();
    headers.sort();
    let mut body = answer.text();
    for name in ["RequestId", "HostId"] {
        body = body.replace(&format!("<{name}>{}</{name}>", one(&body, name)), "");
    }
    format!("{}\n{}\n{body}", answer.status, headers.join("\n"))
}

/// What stands between `<name>` and `</name>`, each time.
pub fn inside<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = text;
    std::iter::from_fn(move || {
        let from = rest.find(&open)? + open.len();
        let to = from + rest[from..].find(&close)?;
        let found = &rest[from..to];
        rest = &rest[to..];
        Some(found)
    })
}

/// The first of them; empty if there is none.
pub fn one<'a>(text: &'a str, name: &str) -> &'a str {
    inside(text, name).next().unwrap_or_default()
}
