use super::Ready;
use super::home::Home;
use crate::replication::report::Role;

/// What a person sees: where the nodes are, how to write, how to fail over, how to read on.
pub fn guide(ready: &Ready, home: &Home, roles: &[Option<Role>; 2]) -> String {
    let kept = if home.is_temporary() { "removed at the end" } else { "kept" };
    let program = ready.a.start.first().map_or("tandem", String::as_str);
    let Ready { a, b, access_key, secret_key, region, path, interval, .. } = ready;
    // After a failover in an earlier run it is B that takes writes.
    let b_writes = roles[1] == Some(Role::Source);
    let [role_a, role_b] = roles.map(|role| role.map_or("no role", Role::name));
    let ([source, other], [source_node, other_node]) =
        if b_writes { (["b", "a"], [b, a]) } else { (["a", "b"], [a, b]) };
    let bucket = if path == "/" { "photos" } else { path.trim_start_matches('/') };
    let [upper_source, upper_other] = [source, other].map(str::to_uppercase);
    format!(
        "Two nodes replicate {path} every {interval} s. Data: {dir} ({kept}). Ctrl-C stops both.

  A ({role_a})  S3 {a_s3}   admin {a_admin}   pid {a_pid}   log {a_log}
  B ({role_b})  S3 {b_s3}   admin {b_admin}   pid {b_pid}   log {b_log}

  access key {access_key}
  secret key {secret_key}
  admin      {user} / {password}   (certificate: {ca})

Write on {upper_source}, read on {upper_other}:

  import boto3
  def s3(url):
      return boto3.client('s3', endpoint_url=url, region_name='{region}',
                          aws_access_key_id='{access_key}', aws_secret_access_key='{secret_key}')
  a, b = s3('{a_s3}'), s3('{b_s3}')
  {source}.create_bucket(Bucket='{bucket}')
  {source}.put_object(Bucket='{bucket}', Key='cat.jpg', Body=b'meow')
  # {interval} s later:
  {other}.get_object(Bucket='{bucket}', Key='cat.jpg')['Body'].read()
  {other}.put_object(Bucket='{bucket}', Key='dog.jpg', Body=b'wuff')   # AccessDenied: {upper_other} is the replica

Fail over to {upper_other} (or kill {source_pid} first, and say --force):

  {program} failover --graceful --yes --admin {other_admin} --ca {ca} --password-file {password_file}

Afterwards {upper_other} takes writes, and {upper_source} refuses them:

  {other}.put_object(Bucket='{bucket}', Key='dog.jpg', Body=b'wuff')
  {source}.put_object(Bucket='{bucket}', Key='cow.jpg', Body=b'moo')    # AccessDenied: {upper_source} is the replica now

More: {program} status --admin {a_admin} --ca {ca} --password-file {password_file}
A node that was killed starts again with: {start}
",
        dir = home.dir().display(),
        source_pid = source_node.pid,
        other_admin = other_node.admin,
        a_s3 = a.s3,
        a_admin = a.admin,
        a_pid = a.pid,
        a_log = a.log.display(),
        b_s3 = b.s3,
        b_admin = b.admin,
        b_pid = b.pid,
        b_log = b.log.display(),
        user = ready.admin_user,
        password = ready.admin_password,
        password_file = home.path("admin-password").display(),
        start = a.start.join(" "),
        ca = ready.admin_ca.display(),
    )
}
