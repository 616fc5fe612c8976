//! One call: who makes it, with what fields, and what it may look at.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use tandem_policy::Caller;
use tandem_storage::types::Timestamp;

use super::answer;
use super::error::QueryError;
use super::form::Fields;
use super::{Faces, Service};
use crate::audit::{Actor, Event, Kind};
use crate::clock::Clock;
use crate::identity::{AccountId, Author, Credential, Draft, Identities, IdentityDocument, IdentityError, Snapshot};
use crate::s3::access::Facts;
use crate::s3::query::Form;
use crate::s3::xml::XmlWriter;

/// Where AWS has IAM, and where its clients sign for it.
const IAM_REGION: &str = "us-east-1";

pub struct Call<'a> {
    faces: &'a Faces,
    service: Service,
    pub identities: &'a Identities,
    pub clock: &'a dyn Clock,
    /// What existed when the call came.
    pub directory: Snapshot,
    pub caller: Arc<Credential>,
    pub form: Fields,
    pub id: String,
    pub received: Timestamp,
    pub client: IpAddr,
    pub secure: bool,
    pub headers: HeaderMap,
    /// `us-east-1` for IAM, which AWS has there alone; for STS the node's.
    pub region: String,
}

impl<'a> Call<'a> {
    pub fn of(faces: &'a Faces, service: Service, form: Form) -> Result<Self, QueryError> {
        Ok(Call {
            faces,
            service,
            identities: &faces.identities,
            clock: &*faces.clock,
            directory: faces.identities.directory(),
            caller: form.caller,
            form: Fields::parse(&form.body)?,
            id: form.id.0,
            received: form.received,
            client: form.client,
            secure: form.secure,
            headers: form.headers,
            region: match service {
                Service::Iam => IAM_REGION.to_owned(),
                Service::Sts => form.region,
            },
        })
    }

    /// What policies are told of the call at every face; `account` owns what it names.
    pub fn facts(&self, account: AccountId) -> Facts<'_> {
        Facts {
            received: self.received,
            client: self.client,
            secure: self.secure,
            headers: &self.headers,
            region: &self.region,
            credential: Some(&self.caller),
            register: self.identities,
            account: Some(account),
        }
    }

    /// The account that the call is about: its caller's.
    pub fn account(&self) -> AccountId {
        self.caller.account()
    }

    /// Makes a change, and tells of it; see [`Identities::change`].
    pub async fn change<T>(
        &self,
        change: impl FnOnce(&mut Draft<'_>) -> Result<T, IdentityError>,
    ) -> Result<T, QueryError> {
        let action = self.action();
        let kind = if action.contains("Polic") || action.contains("Boundary") {
            Kind::PolicyChanged
        } else {
            Kind::IdentityChanged
        };
        let named = ["UserName", "GroupName", "RoleName", "PolicyArn", "PolicyName", "AccessKeyId"];
        let resource = named.iter().find_map(|field| self.form.given(field));
        let audit = self.faces.audit.clone();
        let event = audit.is_on().then(|| self.event(kind, None, resource, "allowed"));
        let author = match self.caller.caller().is_superuser() {
            true => Author::Superuser,
            false => Author::Other,
        };
        let (tell, told) = tokio::sync::oneshot::channel();
        let in_force = move || drop(event.map(|event| tell.send(audit.record(event))));
        let changed = match self.identities.change_and_tell(author, change, in_force).await {
            Err(IdentityError::SuperuserOnly) => {
                let (action, resource) = (format!("iam:{action}"), resource.unwrap_or("*"));
                return Err(self.superusers_only(&action, resource));
            }
            changed => changed?,
        };
        if let Ok(receipt) = told.await
            && !receipt.kept().await
        {
            tracing::error!(request = self.id, action, "a change is not in the audit log");
        }
        Ok(changed)
    }

    /// Compiles policies, which their sender can make long, away from the threads that all requests share.
    pub async fn compile<T: Send + 'static>(
        &self,
        compile: impl FnOnce() -> Result<T, IdentityError> + Send + 'static,
    ) -> Result<T, QueryError> {
        Ok(self.run(compile).await??)
    }

    /// Runs a piece of work that may be long for the caller's account, when it is its turn.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, QueryError> {
        let account = self.account().to_string();
        self.faces.deciders.run(&account, work).await.map_err(|error| QueryError::internal(error.message))
    }

    /// The identity policy that a parameter holds.
    pub async fn document(&self, parameter: &str) -> Result<IdentityDocument, QueryError> {
        let text = self.form.required(parameter)?.to_owned();
        self.compile(move || IdentityDocument::accept(&text)).await
    }

    pub fn tell_out_of_steps(&self, action: &str, resource: &str) {
        self.faces.deciders.tell_out_of_steps(self.received, self.caller.caller().arn(), action, resource);
    }

    /// The operation's name.
    pub fn action(&self) -> &str {
        self.form.given("Action").unwrap_or_default()
    }

    /// Tells the audit log.
    pub fn tell(&self, kind: Kind, action: Option<&str>, resource: Option<&str>, decided_by: &str) {
        let audit = &self.faces.audit;
        if audit.is_on() {
            audit.record(self.event(kind, action, resource, decided_by));
        }
    }

    fn event(&self, kind: Kind, action: Option<&str>, resource: Option<&str>, decided_by: &str) -> Event {
        let caller = self.caller.caller();
        Event {
            time: self.received,
            event: kind,
            face: self.service.name(),
            who: Actor {
                kind: match caller {
                    Caller::Anonymous => "Anonymous",
                    Caller::Root(_) => "Account",
                    Caller::User(_) => "User",
                    Caller::Session(_) => "AssumedRole",
                    Caller::Service(_) => "Service",
                },
                arn: caller.arn().map(str::to_owned),
                account: Some(self.account().to_string()),
                access_key: Some(self.caller.access_key.to_string()),
            },
            from: Some(self.client),
            operation: self.action().to_owned(),
            action: action.map(str::to_owned),
            resource: resource.map(str::to_owned),
            decided_by: decided_by.to_owned(),
            request: Some(self.id.clone()),
            count: None,
        }
    }

    /// `<ROOT><RESULT>...</RESULT><ResponseMetadata>...</ResponseMetadata></ROOT>`; without a result where nothing is written.
    pub fn response(
        &self,
        service: Service,
        root: &'static str,
        result: &'static str,
        write: impl FnOnce(&mut XmlWriter),
    ) -> Response<Bytes> {
        let mut xml = XmlWriter::in_namespace(root, service.namespace());
        xml.open(result);
        write(&mut xml);
        xml.close();
        xml.open("ResponseMetadata");
        xml.text("RequestId", &self.id);
        xml.close();
        answer::response(StatusCode::OK, xml.finish(), &self.id)
    }
}
