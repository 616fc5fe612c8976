use super::{Attached, Place, Policies, Question, Request, Resource};
use crate::decision::Decision;
use crate::document::Document;
use crate::principal::Nearness;
use crate::steps::Steps;

/// A decision that is asked of many objects of one bucket: what is one for all of them is decided once.
///
/// The caller, the action and the documents stay; what differs is the object, its version, its tags and its ACL.
pub struct Prepared<'a> {
    policies: Policies<'a>,
    candidates: Candidates,
}

type List = Box<[(usize, Nearness)]>;

/// Of each document the statements that may speak of some of the objects, each with how closely it names the caller.
pub(super) struct Candidates {
    identity: Box<[List]>,
    session: Box<[List]>,
    boundary: List,
    resource: List,
}

impl Candidates {
    pub(super) fn of(&self, place: Place) -> &[(usize, Nearness)] {
        match place {
            Place::Identity(at) => self.identity.get(at).map_or(&[], |list| list),
            Place::Session(at) => self.session.get(at).map_or(&[], |list| list),
            Place::Boundary => &self.boundary,
            Place::Resource => &self.resource,
        }
    }
}

impl<'a> Prepared<'a> {
    /// `request` speaks of the bucket as a whole: its context has no key of an object.
    pub fn of(policies: Policies<'a>, request: &Request<'_>, steps: &Steps) -> Prepared<'a> {
        let question = Question::of(&policies, request, steps);
        let each = |list: &[Attached]| list.iter().map(|attached| question.candidates_in(&attached.document)).collect();
        let hanging = match policies.resource {
            Resource::Account(_) => None,
            Resource::Bucket(bucket) => bucket.policy,
            Resource::Guarded { policy, .. } => Some(policy),
        };
        let candidates = Candidates {
            identity: each(policies.identity),
            session: policies.session.map(each).unwrap_or_default(),
            boundary: policies.boundary.map(|held| question.candidates_in(&held.document)).unwrap_or_default(),
            resource: hanging.map(|document| question.candidates_in(document)).unwrap_or_default(),
        };
        Prepared { policies, candidates }
    }

    /// Decides on one object. `resource` is the bucket that this was prepared for, with what hangs on the object.
    pub fn decide(&self, resource: Resource<'a>, request: &Request<'_>, steps: &Steps) -> Decision<'a> {
        let policies = Policies { resource, ..self.policies };
        let mut question = Question::of(&policies, request, steps);
        question.candidates = self.fits(&resource).then_some(&self.candidates);
        question.decide(&policies)
    }

    /// Whether the same policy hangs on it: what was prepared says nothing of another.
    fn fits(&self, resource: &Resource<'_>) -> bool {
        let policy = |resource: &Resource<'_>| match resource {
            Resource::Bucket(bucket) => bucket.policy.map(std::ptr::from_ref),
            Resource::Account(_) | Resource::Guarded { .. } => None,
        };
        let buckets = matches!((&self.policies.resource, resource), (Resource::Bucket(_), Resource::Bucket(_)));
        buckets && policy(&self.policies.resource) == policy(resource)
    }
}

impl Question<'_> {
    fn candidates_in(&self, document: &Document) -> List {
        let may = |(at, nearness): (usize, Option<Nearness>)| nearness.map(|nearness| (at, nearness));
        let each = document.statements.iter().map(|statement| statement.may_meet(&self.scope));
        each.enumerate().filter_map(may).collect()
    }
}
