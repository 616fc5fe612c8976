//! Points that are taken in commits full of clients' changes, as those of a busy store are.

use tandem_storage::Change;
use tandem_storage::change::{
    DeleteObject, Deleted, Precondition, PutObject, PutOutcome, Refusal, UpdatePaths, VersionSelector,
};
use tandem_storage::meta::Tx;
use tandem_storage::types::{BucketGuid, ETag, ObjectKey, Seq};

use crate::model::Object;
use crate::objects::{md5_of, new_object};
use crate::world::{Stopped, World};

/// Keys that such a commit has at least.
const KEYS: usize = 12;

/// Several changes in one commit, all or none.
struct Crowd(Vec<Part>);

enum Part {
    Put(PutObject),
    Delete(DeleteObject),
    Paths(UpdatePaths),
}

enum Done {
    Put(Box<PutOutcome>),
    Deleted(Deleted),
    Paths(Seq),
}

/// What a part is to the model.
enum Told {
    Put(BucketGuid, ObjectKey, Object),
    Delete(BucketGuid, ObjectKey, VersionSelector),
    Paths,
}

impl Change for Crowd {
    type Output = Vec<Done>;

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<Vec<Done>, Refusal> {
        let done = self.0.into_iter().map(|part| {
            Ok(match part {
                Part::Put(change) => Done::Put(Box::new(change.carry_out(tx)?)),
                Part::Delete(change) => Done::Deleted(change.carry_out(tx)?),
                Part::Paths(change) => Done::Paths(change.carry_out(tx)?.seq),
            })
        });
        done.collect()
    }
}

impl World {
    /// Puts and deletes over several buckets, and somewhere among them a change of paths. Its Seq.
    pub fn in_a_crowd(&mut self, paths: UpdatePaths) -> Result<Seq, Stopped> {
        let now = self.tick();
        let mut parts = Vec::new();
        let buckets: Vec<BucketGuid> = self.model().buckets.values().map(|bucket| bucket.guid).collect();
        for number in 0..KEYS + self.random.below(6) {
            let Some(bucket) = self.random.pick(&buckets).copied() else { break };
            let key = match self.random.one_in(3) {
                true => self.some_key(),
                false => ObjectKey::new(&format!("crowd-{number:02}")).expect("a valid key"),
            };
            parts.push(match self.random.one_in(4) {
                true => self.delete_part(bucket, key),
                false => self.put_part_of_crowd(bucket, key)?,
            });
        }
        let at = self.random.below(parts.len() + 1);
        parts.insert(at, (Part::Paths(paths), Told::Paths));
        let (parts, told): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        self.log.push(format!("{} changes in one commit", parts.len()));
        let (_, done) = self.commit(now, Crowd(parts))?.expect("nothing of it can be refused");
        let mut seq = Seq::ZERO;
        for (done, told) in done.into_iter().zip(told) {
            match (done, told) {
                (Done::Put(outcome), Told::Put(bucket, key, object)) => self.stored(bucket, key, now, object, &outcome),
                (Done::Deleted(deleted), Told::Delete(bucket, key, version)) => {
                    self.deleted(bucket, key, version, now, deleted);
                }
                (Done::Paths(at), Told::Paths) => seq = at,
                _ => panic!("answers come in another order than changes"),
            }
        }
        Ok(seq)
    }

    fn delete_part(&mut self, bucket: BucketGuid, key: ObjectKey) -> (Part, Told) {
        let version = VersionSelector::Latest;
        let (permit, precondition, random) = (self.permit(), Precondition::None, self.random.next());
        let change = DeleteObject { permit, bucket, key: key.clone(), version, precondition, random };
        (Part::Delete(change), Told::Delete(bucket, key, version))
    }

    fn put_part_of_crowd(&mut self, bucket: BucketGuid, key: ObjectKey) -> Result<(Part, Told), Stopped> {
        let content = self.contents.content(vec![(self.random.below(3) as u8, [0, 1, 17][self.random.below(3)])]);
        let body = self.stage(&content)?;
        let object = Object { etag: ETag::Md5(md5_of(&content)), content, tags: Vec::new(), parts: None };
        let change = PutObject {
            permit: self.permit(),
            bucket,
            key: key.clone(),
            precondition: Precondition::None,
            body,
            object: new_object(object.etag, Vec::new()),
            random: self.random.next(),
        };
        Ok((Part::Put(change), Told::Put(bucket, key, object)))
    }
}
