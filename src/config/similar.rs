//! "Did you mean": the nearest known word to one that is not known.

/// The known word nearest to `word`, if one is near enough to have been meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(64).flat_map(char::to_lowercase).collect();
    let allowed = match word.len() {
        0..=2 => 1,
        3..=5 => 2,
        _ => 3,
    };
    known
        .into_iter()
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean "x"?`, or nothing.
pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|near| format!("did you mean `{near}`?"))
}

/// Whether `word` is `meant` with one letter more, less, swapped or wrong.
pub(super) fn is_slip(word: &str, meant: &str) -> bool {
    let word: Vec<char> = word.chars().take(64).flat_map(char::to_lowercase).collect();
    distance(&word, meant) == 1
}

/// Insertions, deletions, replacements and swaps of neighbours between two words, a dash and an
/// underscore being the same.
fn distance(word: &[char], candidate: &str) -> usize {
    let candidate: Vec<char> = candidate.chars().take(64).flat_map(char::to_lowercase).collect();
    let same = |a: char, b: char| a == b || (matches!(a, '-' | '_') && matches!(b, '-' | '_'));
    let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
    let (mut above, mut row): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=candidate.len()).collect());
    let mut last = None;
    for (i, &a) in word.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, &b) in candidate.iter().enumerate() {
            let replace = at(&row, j) + usize::from(!same(a, b));
            let mut best = replace.min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swapped = j > 0 && last == Some(b) && candidate.get(j - 1) == Some(&a);
            if swapped {
                best = best.min(at(&above, j - 1) + 1);
            }
            next.push(best);
        }
        last = Some(a);
        above = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_words_are_offered() {
        let known = ["listen", "limits", "origin", "ttl", "stale_if_error", "log"];
        for (word, expected) in [
            ("lisen", Some("listen")),
            ("Listen", Some("listen")),
            ("orgin", Some("origin")),
            ("tll", Some("ttl")),
            ("stale-if-error", Some("stale_if_error")),
            ("compress", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }

    #[test]
    fn a_slip_is_one_letter() {
        for (word, meant, expected) in [
            ("PSOT", "POST", true),
            ("DELET", "DELETE", true),
            ("GETT", "GET", true),
            ("GIT", "GET", true),
            ("POST", "POST", false),
            ("PUSH", "POST", false),
            ("REPORT", "POST", false),
        ] {
            assert_eq!(is_slip(word, meant), expected, "{word} {meant}");
        }
    }
}
