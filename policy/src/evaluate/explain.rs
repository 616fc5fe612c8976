use super::{Attached, Policies, Question, Request, Resource};
use crate::decision::{Source, Why};
use crate::document::Document;
use crate::statement::Effect;
use crate::steps::Steps;

/// A statement that speaks of the request, whether or not it decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match<'a> {
    pub why: Why<'a>,
    pub effect: Effect,
}

/// Every statement that speaks of the request, for people: `policy explain` and SimulatePrincipalPolicy. Where steps run
/// out the list ends.
pub fn explain<'a>(policies: &Policies<'a>, request: &Request<'_>) -> Vec<Match<'a>> {
    let steps = Steps::default();
    let question = Question::of(policies, request, &steps);
    let mut found = Vec::new();
    let mut each = |list: &'a [Attached], source: fn(&'a str) -> Source<'a>| {
        for attached in list {
            question.matches(&attached.document, source(&attached.name), &mut found);
        }
    };
    each(policies.identity, Source::Identity);
    each(policies.session.unwrap_or_default(), Source::Session);
    each(policies.boundary.map(std::slice::from_ref).unwrap_or_default(), Source::Boundary);
    match policies.resource {
        Resource::Account(_) => {}
        Resource::Guarded { policy, .. } => question.matches(policy, Source::ResourcePolicy, &mut found),
        Resource::Bucket(bucket) => {
            bucket.policy.into_iter().for_each(|policy| question.matches(policy, Source::BucketPolicy, &mut found));
        }
    }
    found
}

impl Question<'_> {
    fn matches<'a>(&self, document: &'a Document, source: Source<'a>, found: &mut Vec<Match<'a>>) {
        for (at, statement) in document.statements.iter().enumerate() {
            let meets = statement.meets(self.request.resource, &self.scope).is_some();
            if meets && !self.scope.steps.are_spent() {
                let why = Why { source, statement: Some(at), sid: statement.sid.as_deref() };
                found.push(Match { why, effect: statement.effect });
            }
        }
    }
}
