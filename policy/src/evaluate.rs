//! The decision: explicit denials first, then who may by right, then what each side allows.
//!
//! Within one account either side's Allow is enough. Across accounts both the caller's and the owner's must allow. Session
//! policies and a boundary narrow what the caller's side gives, and what the owner's side gives to more than the caller
//! itself.

mod bucket;
mod explain;
mod possible;
mod prepared;

pub use bucket::Bucket;
pub use explain::{Match, explain};
pub use possible::is_possible;
pub use prepared::Prepared;

use std::sync::Arc;

use crate::action::Action;
use crate::caller::{Caller, UserKind};
use crate::context::Context;
use crate::decision::{Decision, Reason, Source, Why};
use crate::document::Document;
use crate::principal::Nearness;
use crate::scope::Scope;
use crate::statement::Effect;
use crate::steps::Steps;

/// A policy by the name under which it is attached.
#[derive(Clone, Debug)]
pub struct Attached {
    pub name: Arc<str>,
    pub document: Arc<Document>,
}

/// What is asked.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub caller: &'a Caller,
    pub action: Action<'a>,
    /// The ARN; of what has none, the broadest that a policy would name: `arn:aws:s3:::*` for a list of buckets, else `*`.
    pub resource: &'a str,
    pub context: &'a dyn Context,
}

/// Everything that has a say.
#[derive(Clone, Copy)]
pub struct Policies<'a> {
    /// The caller's own: its inline and managed ones and those of its groups, or its role's.
    pub identity: &'a [Attached],
    /// What AssumeRole was passed; absent when it was passed nothing.
    pub session: Option<&'a [Attached]>,
    pub boundary: Option<&'a Attached>,
    pub resource: Resource<'a>,
}

/// What is asked for, and what hangs on it.
#[derive(Clone, Copy)]
pub enum Resource<'a> {
    /// Nothing that has a policy of its own: a list of buckets, a bucket to be made, a user. The account it is in.
    Account(&'a str),
    Bucket(Bucket<'a>),
    /// A role by its trust policy, a KMS key by its own: that policy itself has to let the caller in, or let the account
    /// decide.
    Guarded {
        account: &'a str,
        policy: &'a Document,
    },
}

impl<'a> Resource<'a> {
    fn account(&self) -> &'a str {
        match self {
            Resource::Account(account) | Resource::Guarded { account, .. } => account,
            Resource::Bucket(bucket) => bucket.account,
        }
    }
}

/// Decides. Allocates only for what is uncommon: unknown actions, very long texts with variables in them.
pub fn evaluate<'a>(policies: &Policies<'a>, request: &Request<'_>) -> Decision<'a> {
    evaluate_within(policies, request, &Steps::default())
}

/// The same with the steps that are left for this decision and others. When none is left it denies.
pub fn evaluate_within<'a>(policies: &Policies<'a>, request: &Request<'_>, steps: &Steps) -> Decision<'a> {
    Question::of(policies, request, steps).decide(policies)
}

/// A request with what its conditions are asked of.
struct Question<'q> {
    request: &'q Request<'q>,
    scope: Scope<'q>,
    /// The statements that may speak of the request, of each document by itself; absent: any may.
    candidates: Option<&'q prepared::Candidates>,
}

/// What the caller brings along.
#[derive(Clone, Copy)]
struct Own<'a> {
    /// What lets the caller, bounds aside.
    allow: Option<Why<'a>>,
    /// The first bound that it does not fall within.
    bound: Option<Reason>,
}

impl<'a> Own<'a> {
    fn allowed(&self) -> Option<Why<'a>> {
        self.allow.filter(|_| self.bound.is_none())
    }
}

/// What one document says.
enum Verdict<'a> {
    Silent,
    Allowed(Why<'a>, Nearness),
    Denied(Why<'a>),
}

/// Which of a request's documents is asked.
#[derive(Clone, Copy)]
enum Place {
    Identity(usize),
    Session(usize),
    Boundary,
    /// What hangs on the resource.
    Resource,
}

impl<'q> Question<'q> {
    fn of(policies: &Policies<'q>, request: &'q Request<'q>, steps: &'q Steps) -> Question<'q> {
        let entity = matches!(request.caller, Caller::User(_) | Caller::Session(_));
        let scope = Scope {
            caller: request.caller,
            action: &request.action,
            account: policies.resource.account(),
            bounded: entity && policies.boundary.is_some(),
            context: request.context,
            steps,
        };
        Question { request, scope, candidates: None }
    }

    fn decide<'a>(&self, policies: &Policies<'a>) -> Decision<'a> {
        let own = match self.own_side(policies) {
            Ok(own) => own,
            Err(denied) => return Decision::deny(denied),
        };
        let decision = match policies.resource {
            Resource::Account(account) => self.in_account(account, own),
            Resource::Bucket(bucket) => self.in_bucket(&bucket, own),
            Resource::Guarded { account, policy } => self.guarded(account, policy, own),
        };
        // What was not compared to its end decides nothing, but for a Deny that was found before.
        match self.scope.steps.are_spent() && !decision.is_explicit_deny() {
            true => Decision::default_deny(Reason::TooManySteps),
            false => decision,
        }
    }

    /// How closely a statement that speaks of the request names the caller.
    fn meets(&self, document: &Document, at: usize, known: Option<Nearness>) -> Option<Nearness> {
        let statement = document.statements.get(at)?;
        match known {
            None => statement.meets(self.request.resource, &self.scope),
            Some(nearness) => statement.meets_object(self.request.resource, &self.scope).then_some(nearness),
        }
    }

    /// The statement that decides within one document: any Deny, else the Allow that names the caller most closely.
    fn ask<'a>(&self, document: &'a Document, source: Source<'a>, place: Place) -> Verdict<'a> {
        let mut verdict = Verdict::Silent;
        let mut weigh = |at: usize, nearness: Nearness| {
            let statement = document.statements.get(at)?;
            let why = Why { source, statement: Some(at), sid: statement.sid.as_deref() };
            if statement.effect == Effect::Deny {
                return Some(why);
            }
            match verdict {
                Verdict::Allowed(_, held) if held >= nearness => {}
                _ => verdict = Verdict::Allowed(why, nearness),
            }
            None
        };
        let denied = match self.candidates {
            None => (0..document.statements.len()).find_map(|at| weigh(at, self.meets(document, at, None)?)),
            Some(candidates) => candidates
                .of(place)
                .iter()
                .find_map(|(at, nearness)| weigh(*at, self.meets(document, *at, Some(*nearness))?)),
        };
        denied.map_or(verdict, Verdict::Denied)
    }

    /// The first Allow of several documents, or a Deny of any.
    fn ask_all<'a>(
        &self,
        list: &'a [Attached],
        source: fn(&'a str) -> Source<'a>,
        place: fn(usize) -> Place,
    ) -> Result<Option<Why<'a>>, Why<'a>> {
        let mut allow = None;
        for (at, attached) in list.iter().enumerate() {
            match self.ask(&attached.document, source(&attached.name), place(at)) {
                Verdict::Denied(why) => return Err(why),
                Verdict::Allowed(why, _) => allow = allow.or(Some(why)),
                Verdict::Silent => {}
            }
        }
        Ok(allow)
    }

    /// The caller's policies, bounds included; or the Deny among them.
    fn own_side<'a>(&self, policies: &Policies<'a>) -> Result<Own<'a>, Why<'a>> {
        let identity = self.ask_all(policies.identity, Source::Identity, Place::Identity)?;
        let boundary = match policies.boundary {
            Some(boundary) => {
                self.ask_all(std::slice::from_ref(boundary), Source::Boundary, |_| Place::Boundary)?.is_some()
            }
            None => true,
        };
        let session = match policies.session {
            Some(session) => self.ask_all(session, Source::Session, Place::Session)?.is_some(),
            None => true,
        };
        let bound = match (boundary, session) {
            (false, _) => Some(Reason::BoundaryLimit),
            (true, false) => Some(Reason::SessionLimit),
            (true, true) => None,
        };
        let root = matches!(self.request.caller, Caller::Root(_));
        Ok(if root {
            Own { allow: Some(Why::by(Source::AccountRoot)), bound: None }
        } else {
            Own { allow: identity, bound }
        })
    }

    fn is_of(&self, account: &str) -> bool {
        self.request.caller.account().is_some_and(|held| held.id == account)
    }

    fn in_account<'a>(&self, account: &str, own: Own<'a>) -> Decision<'a> {
        if self.request.caller.is_superuser() {
            return Decision::allow(Why::by(Source::Superuser));
        }
        if let Caller::User(user) = self.request.caller
            && let UserKind::Local { allow_create_bucket, .. } = user.kind
        {
            if self.request.action.is(&["s3:CreateBucket"]) {
                return if allow_create_bucket {
                    Decision::allow(Why::by(Source::OwnBucket))
                } else {
                    Decision::default_deny(Reason::MayNotCreateBuckets)
                };
            }
            if self.request.action.is(&["s3:ListAllMyBuckets"]) {
                return Decision::allow(own.allowed().unwrap_or(Why::by(Source::OwnBucket)));
            }
        }
        match (self.is_of(account), own.allowed()) {
            (true, Some(why)) => Decision::allow(why),
            (false, Some(_)) => Decision::default_deny(Reason::NoResourceAllow),
            (_, None) => Decision::default_deny(own.short_of()),
        }
    }

    fn guarded<'a>(&self, account: &str, policy: &'a Document, own: Own<'a>) -> Decision<'a> {
        let verdict = match self.ask(policy, Source::ResourcePolicy, Place::Resource) {
            Verdict::Denied(why) => return Decision::deny(why),
            Verdict::Allowed(why, nearness) => Some((why, nearness)),
            Verdict::Silent => None,
        };
        if self.request.caller.is_superuser() {
            return Decision::allow(Why::by(Source::Superuser));
        }
        let Some((why, nearness)) = verdict else {
            return Decision::default_deny(if own.allowed().is_some() {
                Reason::NoResourceAllow
            } else {
                Reason::NoAllow
            });
        };
        if self.is_of(account) { self.within(why, nearness, own) } else { self.across(why, own) }
    }

    /// The owner's side allows a caller of its own account.
    fn within<'a>(&self, why: Why<'a>, nearness: Nearness, own: Own<'a>) -> Decision<'a> {
        match (nearness, own.bound, own.allowed()) {
            (Nearness::Itself, _, _) | (Nearness::Wide, None, _) => Decision::allow(why),
            (Nearness::Wide, Some(bound), _) => Decision::default_deny(bound),
            (Nearness::Account, _, Some(own)) => Decision::allow(own),
            (Nearness::Account, _, None) => Decision::default_deny(own.short_of()),
        }
    }

    /// The owner's side allows a caller from elsewhere.
    fn across<'a>(&self, why: Why<'a>, own: Own<'a>) -> Decision<'a> {
        match self.request.caller {
            Caller::Anonymous | Caller::Service(_) => Decision::allow(why),
            _ if own.allowed().is_some() => Decision::allow(why),
            _ => Decision::default_deny(match own.allow {
                Some(_) => own.short_of(),
                None => Reason::NoIdentityAllow,
            }),
        }
    }
}

impl Own<'_> {
    /// Why the caller's side does not allow.
    fn short_of(&self) -> Reason {
        match (self.allow, self.bound) {
            (Some(_), Some(bound)) => bound,
            _ => Reason::NoAllow,
        }
    }
}
