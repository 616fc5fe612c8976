//! What would be decided, and by what.

use std::sync::Arc;

use tandem_policy::{Action, Attached, Entries, Request, Resource, Source, evaluate};

use super::Answered;
use super::page::write_end;
use crate::aws::answer::members;
use crate::aws::call::Call;
use crate::aws::error::QueryError;
use crate::identity::{IdentityDocument, Standing};
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

pub fn principal(call: &Call<'_>) -> Answered {
    let arn = call.form.required("PolicySourceArn")?;
    call.require("iam:SimulatePrincipalPolicy", arn)?;
    // What is of other accounts is answered as what is not there.
    if !arn.starts_with(&format!("arn:aws:iam::{}:", call.account())) {
        return Err(crate::identity::IdentityError::missing("entity", arn).into());
    }
    let mut standing = Standing::of_arn(&call.directory, arn)?;
    standing.identity.extend(documents(call, "PolicyInputList")?);
    simulate(call, standing)
}

pub fn custom(call: &Call<'_>) -> Answered {
    call.require("iam:SimulateCustomPolicy", "*")?;
    let caller = call.form.given("CallerArn").and_then(|arn| Standing::of_arn(&call.directory, arn).ok());
    let mut standing = match caller {
        Some(standing) if standing.account == call.account() => standing,
        _ => Standing::nobody(&call.directory, call.account()),
    };
    standing.identity = documents(call, "PolicyInputList")?;
    simulate(call, standing)
}

fn documents(call: &Call<'_>, parameter: &str) -> Result<Vec<Attached>, QueryError> {
    let texts = call.form.list(parameter).into_iter().enumerate();
    let parsed = texts.map(|(at, text)| {
        let document = Arc::clone(IdentityDocument::parse(text)?.compiled());
        Ok(Attached { name: format!("{parameter}.{}", at + 1).into(), document })
    });
    parsed.collect()
}

fn simulate(call: &Call<'_>, mut standing: Standing) -> Answered {
    if let Some(boundary) = documents(call, "PermissionsBoundaryPolicyInputList")?.into_iter().next() {
        standing.boundary = Some(boundary);
    }
    let mut context = Entries::new();
    for entry in call.form.structures("ContextEntries", "ContextKeyName") {
        context = context.with(entry.get("ContextKeyName").unwrap_or_default(), entry.list("ContextKeyValues"));
    }
    let actions = call.form.list("ActionNames");
    let resources = match call.form.list("ResourceArns") {
        none if none.is_empty() => vec!["*"],
        some => some,
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
    let pairs = actions.iter().flat_map(|action| resources.iter().map(move |resource| (*action, *resource)));
    let all: Vec<Simulated> = pairs.map(|(action, resource)| one(&standing, action, resource, &context)).collect();
    Ok(Box::new(move |xml| {
        members(xml, "EvaluationResults", &all, write);
        write_end(xml, None);
    }))
}

fn one(standing: &Standing, action: &str, resource: &str, context: &Entries) -> Simulated {
    let account = standing.account.to_string();
    let policies = standing.policies(Resource::Account(&account));
    let request = Request { caller: &standing.caller, action: Action::of(action), resource, context };
    let decision = evaluate(&policies, &request);
    let matched = match decision.why.source {
        Source::Identity(name) | Source::Session(name) => Some((name.to_owned(), "IAM Policy")),
        Source::Boundary(name) => Some((name.to_owned(), "Permissions Boundary")),
        _ => None,
    };
    Simulated {
        action: action.to_owned(),
        resource: resource.to_owned(),
        decision: match (decision.allowed, decision.is_explicit_deny()) {
            (true, _) => "allowed",
            (false, true) => "explicitDeny",
            (false, false) => "implicitDeny",
        },
        matched,
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
