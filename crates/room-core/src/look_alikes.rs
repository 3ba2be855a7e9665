//! Ids that people could take for another one when they see them.
//!
//! A token that names nobody lets its bearer say any name, and pages show it. Owns which of those names differ from another
//! one by what nobody sees. Must not know who has which name. What a character is comes from Unicode's own data (UAX #15,
//! UAX #44), by ICU4X.

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointSetData;
use icu_properties::props::{DefaultIgnorableCodePoint, Emoji, EmojiPresentation, SoftDotted};

/// Makes an emoji of the sign before it.
const EMOJI_SELECTOR: char = '\u{fe0f}';
/// Makes a key of a digit and an [`EMOJI_SELECTOR`].
const KEYCAP: char = '\u{20e3}';
const DOT_ABOVE: char = '\u{307}';

/// Tells whether an id could be taken for another one by people who see it: what they do not see makes no difference to
/// them.
///
/// That is: blanks at the ends, side by side, or other than the common one; characters that show nothing or turn the
/// direction of writing; letters whose accents are signs of their own where there is one sign for both (the id is not in
/// the form NFC).
pub(crate) fn looks_like_another(id: &str) -> bool {
    if !ComposingNormalizerBorrowed::new_nfc().is_normalized(id) {
        return true;
    }
    // From a blank on, one at the beginning is a second one.
    let mut before = ' ';
    let mut rest = id.chars().peekable();
    while let Some(c) = rest.next() {
        let is_hidden = match c {
            ' ' => before == ' ',
            EMOJI_SELECTOR => !makes_an_emoji(before, rest.peek()),
            // An `i` has its dot already.
            DOT_ABOVE => CodePointSetData::new::<SoftDotted>().contains(before),
            other => shows_nothing(other),
        };
        if is_hidden {
            return true;
        }
        before = c;
    }
    before == ' '
}

/// Tells whether the selector changes how the sign before it looks: not behind a letter, another selector, or what is an
/// emoji without it.
fn makes_an_emoji(before: char, after: Option<&char>) -> bool {
    match before {
        '0'..='9' | '#' | '*' => after == Some(&KEYCAP),
        other => {
            CodePointSetData::new::<Emoji>().contains(other)
                && !CodePointSetData::new::<EmojiPresentation>().contains(other)
        }
    }
}

fn shows_nothing(c: char) -> bool {
    let is_noncharacter = u32::from(c) & 0xfffe == 0xfffe || ('\u{fdd0}'..='\u{fdef}').contains(&c);
    is_noncharacter
        || c.is_whitespace()
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        // Signs without ink that Unicode counts among those with some: blanks, the marks of annotations and the place of an object,
        // and what joins, mirrors or thickens its neighbours in scripts of few.
        || matches!(c, '\u{2800}' | '\u{1d159}' | '\u{16fe4}' | '\u{fff9}'..='\u{fffc}')
        || matches!(c, '\u{70f}' | '\u{2d7f}' | '\u{1107f}' | '\u{13430}'..='\u{13442}' | '\u{1bc9d}')
        || matches!(c, '\u{1da9b}'..='\u{1daaf}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_people_write_them_are_fine() {
        for name in [
            "ada",
            "Ada Lovelace",
            "José",
            "Nguyễn Thị Minh Khai",
            "Андрей",
            "Ọ̀ṣun",
            "हिन्दी",
            "ไทย",
            "العربية",
            "עברית",
            "한국어",
            "日本語",
            "❤️ fan",
            "☎️",
            "Acme ©️",
            "Ⓜ️",
            "player 1️⃣",
            "🇺🇦",
            "👍🏽",
            "x̂",
        ] {
            assert!(!looks_like_another(name), "{name}");
        }
    }

    #[test]
    fn what_nobody_sees_makes_no_other_name() {
        for name in [
            " ada",
            "ada ",
            "Ada  Lovelace",
            "Ada\u{a0}Lovelace",
            "ada\u{200b}",
            "a\u{200d}da",
            "ada\u{34f}",
            "support-\u{34f}7",
            "\u{202e}ada",
            "ada\u{2066}",
            "ada\u{ad}",
            "ada\u{fe0f}",
            "7\u{fe0f}",
            "☎\u{fe0f}\u{fe0f}",
            "👍\u{fe0f}",
            "ada\u{fffe}",
            "ada\u{fdd0}",
            "ada\u{16fe4}",
            "ada\u{2800}",
            "a\u{fffc}da",
            "ada\u{13441}",
            "ada\u{1bc9d}",
            "ada\u{1da9b}",
            "ada\u{3164}",
            "ada\u{e0041}",
            "Jose\u{301}",
            "Андреи\u{306}",
            "i\u{307}da",
            "\u{212b}ngström",
        ] {
            assert!(looks_like_another(name), "{}", name.escape_unicode());
        }
    }
}
