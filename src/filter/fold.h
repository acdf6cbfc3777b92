// Letter case for substring search: simple folding of the alphabets that have case and whose
// pairs are regular (Latin with its extensions, Greek, Cyrillic, Armenian). One letter folds to one
// letter; "ß" and "ss" stay different. Full Unicode belongs to text/, which filter/ does not need.
#pragma once
#include <string>
#include <string_view>

namespace ferres {

/// Lower-case form of valid UTF-8 text; other bytes pass unchanged.
void fold_case(std::string_view text, std::string& out);

}  // namespace ferres
