//! What would be decided, and by what.

use std::sync::Arc;

use tandem_policy::{Action, Attached, Entries, Request, Resource, Source, Steps, evaluate_within};

use super::Answered;
use super::page::write_end;
use crate::aws::answer::members;
use crate::aws::call::Call;
use crate::aws::error::QueryError;
use crate::identity::{IdentityDocument, Standing};
use crate::s3::deciding::{STEPS_OF_A_BITE, STEPS_OF_MANY};
use crate::s3::xml::XmlWriter;

/// Decisions that one call may ask for.
const DECISIONS_MAX: usize = 1_000;
const ACTION_MAX: usize = 128;
const ARN_MAX: usize = 2_048;

struct Simulated {
    action: String,
    resource: String,
    decision: &'static str,
    /// What the deciding statement stands in, and of what kind that is.
    matched: Option<(String, &'static str)>,
}

pub async fn principal(call: &Call<'_>) -> Answered {
    let arn = call.form.required("PolicySourceArn")?;
    call.require("iam:SimulatePrincipalPolicy", arn)?;
    // What is of other accounts is answered as what is not there.
    if !arn.starts_with(&format!("arn:aws:iam::{}:", call.account())) {
        return Err(crate::identity::IdentityError::missing("entity", arn).into());
    }
    let mut standing = Standing::of_arn(&call.directory, arn)?;
    standing.identity.extend(documents(call, "PolicyInputList").await?);
    simulate(call, standing).await
}

pub async fn custom(call: &Call<'_>) -> Answered {
    call.require("iam:SimulateCustomPolicy", "*")?;
    let caller = call.form.given("CallerArn").and_then(|arn| Standing::of_arn(&call.directory, arn).ok());
    let mut standing = match caller {
        Some(standing) if standing.account == call.account() => standing,
        _ => Standing::nobody(&call.directory, call.account()),
    };
    standing.identity = documents(call, "PolicyInputList").await?;
    simulate(call, standing).await
}

async fn documents(call: &Call<'_>, parameter: &'static str) -> Result<Vec<Attached>, QueryError> {
    let texts: Vec<String> = call.form.list(parameter).into_iter().map(str::to_owned).collect();
    let compile = move || {
        let each = texts.iter().enumerate().map(|(at, text)| {
            let document = Arc::clone(IdentityDocument::accept(text)?.compiled());
            Ok(Attached { name: format!("{parameter}.{}", at + 1).into(), document })
        });
        each.collect()
    };
    call.compile(compile).await
}

/// The decisions of one call, and how far they have come.
struct Run {
    standing: Standing,
    context: Entries,
    actions: Vec<String>,
    resources: Vec<String>,
    done: Vec<Simulated>,
    /// Taken by all of them.
    steps: u32,
}

async fn simulate(call: &Call<'_>, mut standing: Standing) -> Answered {
    if let Some(boundary) = documents(call, "PermissionsBoundaryPolicyInputList").await?.into_iter().next() {
        standing.boundary = Some(boundary);
    }
    let mut context = Entries::new();
    for entry in call.form.structures("ContextEntries", "ContextKeyName") {
        context = context.with(entry.get("ContextKeyName").unwrap_or_default(), entry.list("ContextKeyValues"));
    }
    let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<String>>();
    let actions = owned(call.form.list("ActionNames"));
    let resources = match call.form.list("ResourceArns") {
        none if none.is_empty() => vec!["*".to_owned()],
        some => owned(some),
    };
    if actions.is_empty() {
        call.form.required("ActionNames")?;
    }
    if actions.iter().any(|action| action.len() > ACTION_MAX) || resources.iter().any(|arn| arn.len() > ARN_MAX) {
        return Err(QueryError::validation("Actions have at most 128, resources at most 2048 characters."));
    }
    if actions.len() * resources.len() > DECISIONS_MAX {
        return Err(QueryError::validation("Fewer actions and resources, please: at most 1000 decisions a call."));
    }
    let mut run = Run { standing, context, actions, resources, done: Vec::new(), steps: 0 };
    while run.done.len() < run.actions.len() * run.resources.len() {
        if run.steps >= STEPS_OF_MANY {
            let message =
                "Comparing these policies takes too many steps: fewer actions, resources or patterns, please.";
            return Err(QueryError::validation(message));
        }
        run = call.run(move || run.go_on()).await?;
    }
    Ok(Box::new(move |xml| {
        members(xml, "EvaluationResults", &run.done, write);
        write_end(xml, None);
    }))
}

impl Run {
    /// Makes decisions until they have been long, or all are made.
    fn go_on(mut self) -> Run {
        let began = self.steps;
        let count = self.actions.len() * self.resources.len();
        while self.done.len() < count && self.steps - began < STEPS_OF_A_BITE {
            let at = self.done.len();
            let simulated = self.one(at / self.resources.len(), at % self.resources.len());
            self.done.push(simulated);
        }
        self
    }

    fn one(&mut self, action: usize, resource: usize) -> Simulated {
        let (action, resource) = (&self.actions[action], &self.resources[resource]);
        let account = self.standing.account.to_string();
        let policies = self.standing.policies(Resource::Account(&account));
        let request =
            Request { caller: &self.standing.caller, action: Action::of(action), resource, context: &self.context };
        // Each decision may take what a request may.
        let steps = Steps::default();
        let decision = evaluate_within(&policies, &request, &steps);
        self.steps = self.steps.saturating_add(steps.taken().max(1));
        let matched = match decision.why.source {
            Source::Identity(name) | Source::Session(name) => Some((name.to_owned(), "IAM Policy")),
            Source::Boundary(name) => Some((name.to_owned(), "Permissions Boundary")),
            _ => None,
        };
        Simulated {
            action: action.clone(),
            resource: resource.clone(),
            decision: match (decision.allowed, decision.is_explicit_deny()) {
                (true, _) => "allowed",
                (false, true) => "explicitDeny",
                (false, false) => "implicitDeny",
            },
            matched,
        }
    }
}

fn write(xml: &mut XmlWriter, simulated: &Simulated) {
    xml.text("EvalActionName", &simulated.action);
    xml.text("EvalResourceName", &simulated.resource);
    xml.text("EvalDecision", simulated.decision);
    members(xml, "MatchedStatements", &simulated.matched, |xml, (name, kind)| {
        xml.text("SourcePolicyId", name);
        xml.text("SourcePolicyType", kind);
    });
    members(xml, "MissingContextValues", std::iter::empty::<&str>(), |_, _| {});
}
