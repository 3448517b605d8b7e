//! An index in memory with the schema of the real one, in segments as they are given, for tests.

use tantivy::merge_policy::NoMergePolicy;
use tantivy::{Index, TantivyDocument, Term};

use super::columns::OpenSegments;
use super::schema::{Fields, schema, settings, tokenizers};

/// Indexes messages with the ids from 1 on, a segment for each list, without those that are deleted. `describe` says what else of a message there is than its id.
pub(super) fn segments_of<M>(
    segments: &[Vec<M>],
    deleted: impl IntoIterator<Item = i64>,
    describe: impl Fn(&M, &Fields, &mut TantivyDocument),
) -> OpenSegments {
    let (schema, fields) = schema();
    let mut index = Index::builder().schema(schema).settings(settings()).create_in_ram().expect("an index");
    index.set_tokenizers(tokenizers());
    let mut writer = index.writer_with_num_threads(1, 15_000_000).expect("a writer");
    writer.set_merge_policy(Box::new(NoMergePolicy));
    let mut id = 0;
    for messages in segments {
        for message in messages {
            id += 1;
            let mut document = TantivyDocument::new();
            document.add_i64(fields.id, id);
            describe(message, &fields, &mut document);
            writer.add_document(document).expect("added");
        }
        writer.commit().expect("a commit");
    }
    for id in deleted {
        writer.delete_term(Term::from_field_i64(fields.id, id));
    }
    writer.commit().expect("a commit");
    OpenSegments::new(index.reader().expect("a reader").searcher(), None).expect("columns")
}
