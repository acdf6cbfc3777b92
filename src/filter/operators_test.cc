// Every operator against every kind of field value, as a table: the row says which documents meet
// the condition on "f". Checks that the table of operators is covered as a whole.
#include "filter/operators.h"

#include <set>

#include <gtest/gtest.h>

#include "filter/predicate.h"

namespace ferres {
namespace {

struct Row {
  const char* condition;             // the operators object of field "f"
  std::vector<const char*> matched;  // names of kDocuments, the only ones that match
};

struct Document {
  const char* name;
  const char* json;
};

const std::vector<Document> kDocuments = {
    {"missing", R"({"g":1})"},
    {"null", R"({"f":null})"},
    {"true", R"({"f":true})"},
    {"false", R"({"f":false})"},
    {"1", R"({"f":1})"},
    {"1.0", R"({"f":1.0})"},
    {"2.5", R"({"f":2.5})"},
    {"-3", R"({"f":-3})"},
    {"'1'", R"({"f":"1"})"},
    {"cat", R"({"f":"cat"})"},
    {"Catalog", R"({"f":"Catalog"})"},
    {"2024", R"({"f":"2024-05-01T12:00:00Z"})"},
    {"2024+2", R"({"f":"2024-05-01T14:00:00+02:00"})"},
    {"[]", R"({"f":[]})"},
    {"[1,cat]", R"({"f":[1,"cat"]})"},
    {"[5]", R"({"f":[5]})"},
    {"[null]", R"({"f":[null]})"},
    {"{}", R"({"f":{}})"},
    {"{a}", R"({"f":{"a":1,"b":[2]}})"},
    {"berlin", R"({"f":{"lat":52.52,"lon":13.405}})"},
    {"[paris]", R"({"f":[{"lat":48.8566,"lon":2.3522}]})"},
};

const std::vector<Row> kRows = {
    {R"({})", {"missing", "null", "true",   "false",   "1",    "1.0",    "2.5",
               "-3",      "'1'",  "cat",    "Catalog", "2024", "2024+2", "[]",
               "[1,cat]", "[5]",  "[null]", "{}",      "{a}",  "berlin", "[paris]"}},
    {R"({"$eq":1})", {"1", "1.0", "[1,cat]"}},
    {R"({"$eq":1.0})", {"1", "1.0", "[1,cat]"}},
    {R"({"$eq":"1"})", {"'1'"}},
    {R"({"$eq":true})", {"true"}},
    {R"({"$eq":null})", {"null", "[null]"}},
    {R"({"$eq":"cat"})", {"cat", "[1,cat]"}},
    {R"({"$eq":[1,"cat"]})", {"[1,cat]"}},
    {R"({"$eq":["cat",1]})", {}},
    {R"({"$eq":[]})", {"[]"}},
    {R"({"$eq":{}})", {"{}"}},
    {R"({"$eq":{"b":[2.0],"a":1}})", {"{a}"}},
    {R"({"$eq":{"a":1}})", {}},
    {R"({"$ne":1})",
     {"missing", "null", "true", "false", "2.5", "-3", "'1'", "cat", "Catalog", "2024", "2024+2",
      "[]", "[5]", "[null]", "{}", "{a}", "berlin", "[paris]"}},
    {R"({"$ne":null})",
     {"missing", "true", "false", "1", "1.0", "2.5", "-3", "'1'", "cat", "Catalog", "2024",
      "2024+2", "[]", "[1,cat]", "[5]", "{}", "{a}", "berlin", "[paris]"}},
    {R"({"$in":[1,"cat"]})", {"1", "1.0", "cat", "[1,cat]"}},
    {R"({"$in":[[5],false]})", {"false", "[5]"}},
    {R"({"$in":[]})", {}},
    {R"({"$nin":[1,null,true,false,2.5,-3,"1","cat","Catalog"]})",
     {"missing", "2024", "2024+2", "[]", "[5]", "{}", "{a}", "berlin", "[paris]"}},
    {R"({"$gt":1})", {"2.5", "[5]"}},
    {R"({"$gte":1})", {"1", "1.0", "2.5", "[1,cat]", "[5]"}},
    {R"({"$lt":1})", {"-3"}},
    {R"({"$lte":1})", {"1", "1.0", "-3", "[1,cat]"}},
    {R"({"$gt":"2024-05-01T11:59:59.999Z"})", {"2024", "2024+2"}},
    {R"({"$gt":"2024-05-01T12:00:00Z"})", {}},
    {R"({"$gte":"2024-05-01T07:00:00-05:00","$lte":"2024-05-01T12:00:00Z"})", {"2024", "2024+2"}},
    {R"({"$lt":"2024-05-02"})", {"2024", "2024+2"}},
    {R"({"$lt":"2024-05-01"})", {}},
    {R"({"$exists":true})",
     {"null", "true",   "false", "1",       "1.0", "2.5",    "-3", "'1'", "cat",    "Catalog",
      "2024", "2024+2", "[]",    "[1,cat]", "[5]", "[null]", "{}", "{a}", "berlin", "[paris]"}},
    {R"({"$exists":false})", {"missing"}},
    {R"({"$is_null":true})", {"missing", "null"}},
    {R"({"$is_null":false})",
     {"true", "false", "1", "1.0", "2.5", "-3", "'1'", "cat", "Catalog", "2024", "2024+2", "[]",
      "[1,cat]", "[5]", "[null]", "{}", "{a}", "berlin", "[paris]"}},
    {R"({"$contains":"cat"})", {"[1,cat]"}},
    {R"({"$contains":1.0})", {"[1,cat]"}},
    {R"({"$contains":null})", {"[null]"}},
    {R"({"$all":["cat",1]})", {"[1,cat]"}},
    {R"({"$all":["cat",2]})", {}},
    {R"({"$all":[]})", {"[]", "[1,cat]", "[5]", "[null]", "[paris]"}},
    {R"({"$any":["cat",5]})", {"[1,cat]", "[5]"}},
    {R"({"$any":[]})", {}},
    {R"({"$prefix":"cat"})", {"cat", "[1,cat]"}},
    {R"({"$prefix":""})", {"'1'", "cat", "Catalog", "2024", "2024+2", "[1,cat]"}},
    {R"({"$contains_text":"at"})", {"cat", "Catalog", "[1,cat]"}},
    {R"({"$contains_text":"Cat"})", {"Catalog"}},
    {R"({"$icontains_text":"CAT"})", {"cat", "Catalog", "[1,cat]"}},
    {R"({"$geo_radius":{"lat":52.5,"lon":13.4,"meters":5000}})", {"berlin"}},
    {R"({"$geo_radius":{"lat":50,"lon":8,"meters":1000000}})", {"berlin", "[paris]"}},
    {R"({"$geo_box":{"top_left":{"lat":50,"lon":0},"bottom_right":{"lat":40,"lon":10}}})",
     {"[paris]"}},
    // Several operators in one object are ANDed.
    {R"({"$gt":0,"$ne":1})", {"2.5", "[5]"}},
};

TEST(Operators, EachMatchesExactlyItsDocuments) {
  for (const Row& row : kRows) {
    const std::string filter = std::string(R"({"f":)") + row.condition + "}";
    auto predicate = Predicate::parse(filter);
    ASSERT_TRUE(predicate.ok()) << filter << ": " << predicate.error().message();
    const std::set<std::string> wanted(row.matched.begin(), row.matched.end());
    for (const Document& document : kDocuments) {
      EXPECT_EQ(predicate->matches(document.json), wanted.contains(document.name))
          << filter << " on " << document.json;
    }
  }
}

TEST(Operators, NotTurnsEveryRowRound) {
  for (const Row& row : kRows) {
    const std::string condition = std::string(R"({"f":)") + row.condition + "}";
    auto plain = Predicate::parse(condition);
    auto turned = Predicate::parse(R"({"$not":)" + condition + "}");
    ASSERT_TRUE(plain.ok() && turned.ok()) << condition;
    for (const Document& document : kDocuments) {
      EXPECT_NE(plain->matches(document.json), turned->matches(document.json))
          << condition << " on " << document.json;
    }
  }
}

TEST(Operators, WrongOperandsAreNamed) {
  struct Case {
    const char* condition;
    const char* message;
  };
  const std::vector<Case> cases = {
      {R"({"$in":1})", "filter.f: $in must be an array"},
      {R"({"$nin":"a"})", "filter.f: $nin must be an array"},
      {R"({"$all":{}})", "filter.f: $all must be an array"},
      {R"({"$any":null})", "filter.f: $any must be an array"},
      {R"({"$gt":true})", "filter.f: $gt must be a number"},
      {R"({"$gte":null})", "filter.f: $gte must be a number"},
      {R"({"$lt":[1]})", "filter.f: $lt must be a number"},
      {R"({"$lte":{}})", "filter.f: $lte must be a number"},
      {R"({"$gt":"soon"})", "filter.f: $gt must be a number or an RFC 3339 time"},
      {R"({"$exists":1})", "filter.f: $exists must be a boolean"},
      {R"({"$is_null":"yes"})", "filter.f: $is_null must be a boolean"},
      {R"({"$prefix":1})", "filter.f: $prefix must be a string"},
      {R"({"$contains_text":null})", "filter.f: $contains_text must be a string"},
      {R"({"$icontains_text":[]})", "filter.f: $icontains_text must be a string"},
      {R"({"$geo_radius":{"lat":1,"lon":2}})",
       "filter.f: $geo_radius must be an object with lat (-90 to 90), lon (-180 to 180) and meters "
       "(0 or more)"},
      {R"({"$geo_box":{"top_left":{"lat":1,"lon":2}}})",
       "filter.f: $geo_box must be an object with top_left and bottom_right, each with lat (-90 to "
       "90) and lon (-180 to 180), the top not below the bottom"},
      {R"({"$match":"a b"})",
       "filter.f: $match needs full text, which this collection does not have"},
      {R"({"$near":1})", "filter.f: unknown operator '$near'"},
      {R"({"a":1})", "filter.f: unknown operator 'a'"},
  };
  for (const Case& c : cases) {
    auto predicate = Predicate::parse(std::string(R"({"f":)") + c.condition + "}");
    ASSERT_FALSE(predicate.ok()) << c.condition;
    EXPECT_EQ(predicate.error().code(), Code::kInvalidArgument);
    EXPECT_EQ(predicate.error().message(), c.message);
  }
}

TEST(Operators, BoxesMayCrossTheDateLine) {
  auto predicate = Predicate::parse(R"({"f":{"$geo_box":{"top_left":{"lat":10,"lon":170},)"
                                    R"("bottom_right":{"lat":-10,"lon":-170}}}})");
  ASSERT_TRUE(predicate.ok());
  EXPECT_TRUE(predicate->matches(R"({"f":{"lat":0,"lon":175}})"));
  EXPECT_TRUE(predicate->matches(R"({"f":{"lat":0,"lon":-175}})"));
  EXPECT_FALSE(predicate->matches(R"({"f":{"lat":0,"lon":0}})"));
  EXPECT_FALSE(predicate->matches(R"({"f":{"lat":0,"lon":"175"}})"));
}

TEST(Operators, LettersFoldBeyondAscii) {
  auto predicate = Predicate::parse(R"({"f":{"$icontains_text":"ÉCOLE"}})");
  ASSERT_TRUE(predicate.ok());
  EXPECT_TRUE(predicate->matches(R"({"f":"une école"})"));
  auto russian = Predicate::parse(R"({"f":{"$icontains_text":"москва"}})");
  ASSERT_TRUE(russian.ok());
  EXPECT_TRUE(russian->matches(R"({"f":"г. МОСКВА"})"));
  EXPECT_FALSE(russian->matches(R"({"f":"Мoсква"})"));  // a Latin o
}

}  // namespace
}  // namespace ferres
