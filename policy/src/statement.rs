use std::sync::Arc;

use crate::action::ActionSet;
use crate::condition::Condition;
use crate::principal::{Nearness, Principals};
use crate::scope::Scope;
use crate::text::Texts;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

/// A statement's `Resource` or `NotResource`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resources {
    /// A trust policy: the role itself.
    Itself,
    Of(Texts),
    Not(Texts),
}

impl Resources {
    /// A Deny that names its resource by a variable of which nobody here can tell speaks of every resource.
    fn meet(&self, effect: Effect, resource: &str, scope: &Scope<'_>) -> bool {
        let untold =
            |texts: &Texts| effect == Effect::Deny && texts.keys_without_default().any(|key| scope.cannot_tell(key));
        match self {
            Resources::Itself => true,
            Resources::Of(patterns) => patterns.any_matches(resource, scope) || untold(patterns),
            Resources::Not(patterns) => !patterns.any_matches(resource, scope) || untold(patterns),
        }
    }
}

/// One statement, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) sid: Option<Box<str>>,
    pub(crate) effect: Effect,
    pub(crate) principals: Principals,
    /// Shared by the statements of a document that name the same.
    pub(crate) actions: Arc<ActionSet>,
    pub(crate) resources: Resources,
    pub(crate) conditions: Box<[Condition]>,
}

impl Statement {
    /// Whether it speaks of this request, and how closely it names the caller. The cheapest question comes first.
    pub(crate) fn meets(&self, resource: &str, scope: &Scope<'_>) -> Option<Nearness> {
        let nearness = self.speaks_of(scope)?;
        self.holds_for(resource, scope, |_| true).then_some(nearness)
    }

    /// Whether it speaks of the action, and how closely it names the caller.
    fn speaks_of(&self, scope: &Scope<'_>) -> Option<Nearness> {
        if !scope.steps.spend(1) || !self.actions.contains(scope.action, scope.steps) {
            return None;
        }
        scope.steps.spend(self.principals.len());
        self.principals.meet(scope.caller, scope.account, scope.bounded)
    }

    fn holds_for(&self, resource: &str, scope: &Scope<'_>, asks: impl Fn(&Condition) -> bool) -> bool {
        self.resources.meet(self.effect, resource, scope)
            && self.conditions.iter().filter(|line| asks(line)).all(|line| line.holds(self.effect, scope))
    }

    /// The part of [`meets`](Self::meets) that is one for all objects which a request names.
    pub(crate) fn may_meet(&self, scope: &Scope<'_>) -> Option<Nearness> {
        let nearness = self.speaks_of(scope)?;
        let mut fixed = self.conditions.iter().filter(|line| !line.is_of_object());
        fixed.all(|line| line.holds(self.effect, scope)).then_some(nearness)
    }

    /// The other part: what each object may answer otherwise.
    pub(crate) fn meets_object(&self, resource: &str, scope: &Scope<'_>) -> bool {
        scope.steps.spend(1);
        self.holds_for(resource, scope, Condition::is_of_object)
    }
}
