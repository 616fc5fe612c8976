//! IAM and STS as AWS's clients speak them on the S3 port: forms in, XML out. What exists and what is allowed is decided in
//! `identity` and `tandem_policy`; here are the names, shapes and codes.

mod access;
mod answer;
mod call;
mod error;
mod form;
mod iam;
mod sts;
#[cfg(test)]
mod tests;

use std::pin::Pin;

use bytes::Bytes;
use http::Response;

use call::Call;
use error::QueryError;

use crate::audit::{Actor, Audit, Event, Kind as Told};
use crate::clock::SharedClock;
use crate::identity::Identities;
use crate::s3::deciding::Deciders;
use crate::s3::query::{Form, QueryFace, Refused};

/// Both faces.
pub struct Faces {
    identities: Identities,
    clock: SharedClock,
    audit: Audit,
    deciders: Deciders,
}

impl Faces {
    pub fn new(identities: Identities, clock: SharedClock, audit: Audit, deciders: Deciders) -> Self {
        Faces { identities, clock, audit, deciders }
    }
}

impl QueryFace for Faces {
    fn answer(&self, form: Form) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send + '_>> {
        Box::pin(async move {
            let service = Service::of(&form.service);
            let id = form.id.clone();
            match self.run(service, form).await {
                Ok(response) => response,
                Err(error) => error.response(service, &id.0),
            }
        })
    }

    fn refuse(&self, refused: Refused<'_>) -> Response<Bytes> {
        let Refused { service, access_key, error, id, client } = refused;
        let (service, error) = (Service::of(service), QueryError::from_authentication(error));
        self.audit.record(Event {
            time: self.clock.now(),
            event: Told::Unauthenticated,
            face: service.name(),
            who: Actor { kind: "Anonymous", access_key: access_key.map(str::to_owned), ..Actor::default() },
            from: Some(client),
            operation: "Query".into(),
            action: None,
            resource: None,
            decided_by: error.code.into(),
            request: Some(id.0.clone()),
            count: None,
        });
        error.response(service, &id.0)
    }
}

impl Faces {
    async fn run(&self, service: Service, form: Form) -> Result<Response<Bytes>, QueryError> {
        let call = Call::of(self, service, form)?;
        let action = call.form.required("Action")?;
        match service {
            Service::Iam => Box::pin(iam::dispatch(&call, action)).await,
            Service::Sts => Box::pin(sts::dispatch(&call, action)).await,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Iam,
    Sts,
}

impl Service {
    fn of(name: &str) -> Self {
        if name == "sts" { Service::Sts } else { Service::Iam }
    }

    const fn name(self) -> &'static str {
        match self {
            Service::Iam => "iam",
            Service::Sts => "sts",
        }
    }

    const fn namespace(self) -> &'static str {
        match self {
            Service::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
            Service::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
        }
    }
}
