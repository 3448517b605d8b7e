//! Polls and quizzes.

use grammers_tl_types::{enums, types};

use crate::model::{Media, MediaKind, Poll, PollResult};

use super::{UnknownConstructors, plain, timestamp};

/// A poll with what is known of its results.
pub(super) fn poll(m: &types::MessageMediaPoll, unknown: &mut UnknownConstructors) -> Media {
    let enums::Poll::Poll(p) = &m.poll;
    let enums::PollResults::Results(r) = &m.results;
    let (mut options, mut results) = (Vec::new(), Vec::new());
    for answer in &p.answers {
        let enums::PollAnswer::Answer(a) = answer else {
            // Only clients send it.
            unknown.note(answer);
            continue;
        };
        options.push(plain(&a.text));
        let of_it = |enums::PollAnswerVoters::Voters(v): &&enums::PollAnswerVoters| v.option == a.option;
        let voters = r.results.iter().flatten().find(of_it);
        let known =
            |enums::PollAnswerVoters::Voters(v): &enums::PollAnswerVoters| PollResult { voters: v.voters, correct: v.correct };
        results.push(voters.map(known).unwrap_or_default());
    }
    if results.iter().all(|result| *result == PollResult::default()) {
        results.clear();
    }
    let poll = Poll {
        id: p.id,
        quiz: p.quiz,
        closed: p.closed,
        multiple: p.multiple_choice,
        public: p.public_voters,
        closes: p.close_date.map(timestamp),
        results,
        voters: r.total_voters,
        solution: r.solution.clone(),
    };
    Media { question: Some(plain(&p.question)), options, poll: Some(Box::new(poll)), ..Media::new(MediaKind::Poll) }
}
