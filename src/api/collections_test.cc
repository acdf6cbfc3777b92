// Create, list, get, patch, delete and stats of collections.
#include "api/test_api.h"

namespace ferres {
namespace {

using CollectionsTest = ApiTest;

TEST_F(CollectionsTest, CreateEchoesTheConfiguration) {
  const Answer answer = call("create_collection", R"({"name":"docs","dimension":3,
      "distance":"Euclidean","quantization":{"Scalar":{"dtype":"Int8"}},"retention_days":7,
      "tiered_storage":{"enabled":false,"hot_threshold_hours":5},"index":"flat",
      "hnsw":{"m":8},"unknown":[1,2]})");
  ASSERT_EQ(answer.status, 201) << answer.body;
  EXPECT_EQ(at(answer, "/name"), "\"docs\"");
  EXPECT_EQ(at(answer, "/dimension"), "3");
  EXPECT_EQ(at(answer, "/distance"), "\"Euclidean\"");
  EXPECT_EQ(at(answer, "/created_at"), "1700000000");
  EXPECT_EQ(at(answer, "/quantization"), R"({"Scalar":{"dtype":"Int8"}})");
  EXPECT_EQ(at(answer, "/quantization_in_force"), "\"None\"");
  EXPECT_EQ(at(answer, "/retention_days"), "7");
  EXPECT_EQ(at(answer, "/tiered_storage/hot_threshold_hours"), "5");
  EXPECT_EQ(at(answer, "/index"), "\"flat\"");
  EXPECT_EQ(at(answer, "/hnsw/m"), "8");
}

TEST_F(CollectionsTest, TiersAreEchoedToldAndPatched) {
  Answer answer = call("create_collection", R"({"name":"docs","dimension":3,"distance":"Euclidean",
      "tiered_storage":{"enabled":true,"hot_bytes_max":1000000}})");
  ASSERT_EQ(answer.status, 201) << answer.body;
  EXPECT_EQ(at(answer, "/tiered_storage"),
            R"({"enabled":true,"hot_threshold_hours":24,"warm_threshold_hours":168,)"
            R"("compaction_interval_secs":3600,"hot_bytes_max":1000000})");
  EXPECT_EQ(at(answer, "/quantization_in_force"), "\"rabitq8\"");  // to walk on
  answer = call("patch_collection", R"({"tiered_storage":{"hot_threshold_hours":1}})");
  EXPECT_EQ(answer.status, 204) << answer.body;
  answer = call("get_collection");
  EXPECT_EQ(at(answer, "/tiered_storage/hot_threshold_hours"), "1");
  EXPECT_EQ(at(answer, "/tiered_storage/enabled"), "true");
  EXPECT_EQ(at(answer, "/tiered_storage/hot_bytes_max"), "1000000");
  answer = call("patch_collection", R"({"tiered_storage":{"enabled":false}})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_NE(answer.body.find("tiered_storage.enabled cannot be changed"), std::string::npos);
  EXPECT_EQ(call("collection_tiers").body,
            R"({"hot":0,"warm":0,"cold":0,"hot_memory_bytes":0,"warm_memory_bytes":0,)"
            R"("cold_memory_bytes":0})");
}

TEST_F(CollectionsTest, WithoutTiersAllPointsAreHot) {
  ASSERT_EQ(
      call("create_collection", R"({"name":"docs","dimension":3,"distance":"Euclidean"})").status,
      201);
  ASSERT_EQ(call("upsert_points", R"({"points":[{"id":"a","vector":[1,2,3]}]})").status, 200);
  EXPECT_EQ(call("collection_tiers").body,
            R"({"hot":1,"warm":0,"cold":0,"hot_memory_bytes":340,"warm_memory_bytes":0,)"
            R"("cold_memory_bytes":0})");
}

TEST_F(CollectionsTest, QuantizationsOfTheContractAreAccepted) {
  int number = 0;
  for (const char* text :
       {R"("None")", R"("Auto")", R"({"Polar":{}})", R"({"Polar":{"bits_per_angle":4}})",
        R"({"Scalar":{"dtype":"Int8","quantile":0.99,"enable_qjl":true}})"}) {
    const std::string body = R"({"name":"q)" + std::to_string(number++) +
                             R"(","dimension":2,"distance":"Cosine","quantization":)" + text + "}";
    const Answer answer = call("create_collection", body);
    EXPECT_EQ(answer.status, 201) << answer.body;
    EXPECT_EQ(at(answer, "/quantization"), text);
  }
}

TEST_F(CollectionsTest, TellsWhichQuantizationIsInForce) {
  struct Row {
    const char* fields;
    const char* in_force;
  };
  int number = 0;
  for (const Row& row :
       {Row{R"("dimension":384)", "rabitq8"}, Row{R"("dimension":100)", "rabitq4"},
        Row{R"("dimension":32)", "None"}, Row{R"("dimension":384,"index":"compact")", "rabitq4"},
        Row{R"("dimension":100,"index":"fast")", "rabitq8"},
        Row{R"("dimension":384,"quantization":"None")", "None"},
        Row{R"("dimension":8,"quantization":{"Scalar":{"dtype":"Int8"}})", "sq8"},
        Row{R"("dimension":8,"quantization":{"Polar":{}})", "polar8"},
        Row{R"("dimension":8,"quantization":{"Lvq":{"bits":4}})", "lvq4"},
        Row{R"("dimension":8,"quantization":{"RaBitQ":{"bits":1}})", "rabitq1"},
        Row{R"("dimension":384,"index":"flat")", "None"},
        Row{R"("dimension":384,"storage":{"vectors":"mmap"})", "rabitq4"},
        Row{R"("dimension":8,"storage":{"vectors":"disk"})", "rabitq8"},
        Row{R"("dimension":384,"storage":{"vectors":"none"})", "rabitq4"},
        Row{R"("dimension":384,"storage":{"precision":"f32"})", "rabitq8"}}) {
    const Answer answer =
        call("create_collection", R"({"name":"f)" + std::to_string(number++) +
                                      R"(","distance":"Cosine",)" + row.fields + "}");
    EXPECT_EQ(answer.status, 201) << answer.body;
    EXPECT_EQ(at(answer, "/quantization_in_force"), "\"" + std::string(row.in_force) + "\"")
        << row.fields;
  }
}

TEST_F(CollectionsTest, StorageIsEchoedAndMarksWhatIsNotAsSent) {
  Answer answer = call("create_collection", R"({"name":"half","dimension":2,"distance":"Euclidean",
      "storage":{"vectors":"mmap","precision":"f16"}})");
  ASSERT_EQ(answer.status, 201) << answer.body;
  EXPECT_EQ(at(answer, "/storage/vectors"), "\"mmap\"");
  EXPECT_EQ(at(answer, "/storage/precision"), "\"f16\"");
  answer = call("create_collection", R"({"name":"codes","dimension":2,"distance":"Euclidean",
      "storage":{"vectors":"none"}})");
  ASSERT_EQ(answer.status, 201) << answer.body;
  EXPECT_EQ(at(answer, "/storage/vectors"), "\"none\"");
  EXPECT_EQ(at(answer, "/storage/precision"), "\"u8\"");
  for (const char* name : {"half", "codes"}) {
    collection_ = name;
    answer = call("upsert_points", R"({"points":[{"id":"a","vector":[0.25,1000],"metadata":{}}]})");
    ASSERT_EQ(answer.status, 200) << answer.body;
    answer = call("get_point", "", "a");
    EXPECT_EQ(at(answer, "/vector"), "[0.25,1000]") << answer.body;
    EXPECT_EQ(at(answer, "/approximate"), "true");
    answer = call("search", R"({"vector":[0,0],"limit":1,"with_vector":true})");
    EXPECT_EQ(at(answer, "/results/0/approximate"), "true");
  }
  collection_ = "half";
  answer = call("upsert_points", R"({"points":[{"id":"b","vector":[70000,0],"metadata":{}}]})");
  EXPECT_EQ(at(answer, "/failed/0/reason"),
            "\"a component of more than 65504 does not fit storage.precision f16; bf16 has room\"");
  collection_ = "docs";
  create();
  EXPECT_EQ(at(call("get_collection"), "/storage/vectors"), "\"ram\"");
}

TEST_F(CollectionsTest, CosineRefusesWhatHasNoDirectionAsItIsKept) {
  create();
  ASSERT_EQ(call("create_collection", R"({"name":"half","dimension":2,"distance":"Cosine",
      "storage":{"precision":"bf16"}})")
                .status,
            201);
  for (const char* name : {"docs", "half"}) {
    collection_ = name;
    for (const char* vector : {"[3e38,3e38]", "[1e-41,0]", "[1e-39,1e-39]"}) {
      const Answer answer =
          call("upsert_points", R"({"points":[{"id":"a","vector":)" + std::string(vector) + "}]}");
      EXPECT_EQ(
          at(answer, "/failed/0/reason"),
          "\"the norm of the vector is too large or too small for cosine distance: scale it\"")
          << vector;
    }
    const Answer answer = call("upsert_points", R"({"points":[{"id":"a","vector":[0,0]},
        {"id":"b","vector":[1e-30,0]},{"id":"c","vector":[0,1e30]}]})");
    EXPECT_EQ(at(answer, "/upserted"), "2") << answer.body;
    EXPECT_EQ(at(answer, "/failed/0/reason"),
              "\"zero-norm vector cannot be indexed with cosine distance\"");
    EXPECT_EQ(at(call("search", R"({"vector":[0,1],"limit":1})"), "/results/0/id"), "\"c\"");
  }
}

TEST_F(CollectionsTest, RefusesVectorsWhoseDistancesAreNoFloats) {
  for (const char* metric : {"Euclidean", "DotProduct"}) {
    collection_ = metric;
    ASSERT_EQ(call("create_collection", R"({"name":")" + collection_ +
                                            R"(","dimension":2,"distance":")" + metric + "\"}")
                  .status,
              201);
    const Answer answer = call("upsert_points", R"({"points":[{"id":"a","vector":[8e13,8e13]},
        {"id":"b","vector":[9e13,0]},{"id":"c","vector":[-9e13,0]},{"id":"d","vector":[0,0]}]})");
    EXPECT_EQ(at(answer, "/upserted"), "3") << answer.body;
    EXPECT_EQ(at(answer, "/failed/0/reason"), "\"the norm of the vector is above 1e14: scale it\"");
    EXPECT_EQ(at(call("search", R"({"vector":[9e13,0],"limit":3})"), "/results/2/id"), "\"c\"");
  }
}

TEST_F(CollectionsTest, CreateRefusesWhatIsWrongOrNotBuilt) {
  create();
  expect_refused(
      "create_collection",
      {{R"({"name":"docs","dimension":2,"distance":"Cosine"})", 409, "collection_already_exists",
        "collection 'docs' already exists"},
       {R"({"dimension":2,"distance":"Cosine"})", 422, "invalid_payload", "missing field 'name'"},
       {R"({"name":"a","distance":"Cosine"})", 422, "invalid_payload", "missing field 'dimension'"},
       {R"({"name":"a","dimension":2})", 422, "invalid_payload", "missing field 'distance'"},
       {R"({"name":"a","dimension":"2","distance":"Cosine"})", 422, "invalid_payload", "dimension"},
       {R"({"name":"a","dimension":2,"distance":"cosine"})", 422, "invalid_payload", "distance"},
       {R"({"name":"","dimension":2,"distance":"Cosine"})", 400, "invalid_payload",
        "name cannot be empty"},
       {R"({"name":"../x","dimension":2,"distance":"Cosine"})", 400, "invalid_payload",
        "name can only contain letters, numbers, hyphens, and underscores"},
       {R"({"name":"a","dimension":0,"distance":"Cosine"})", 400, "invalid_payload",
        "dimension must be between 1 and 4096"},
       {R"({"name":"a","dimension":4294967298,"distance":"Cosine"})", 400, "invalid_payload",
        "dimension must be between 1 and 4096"},
       {R"({"name":"a","dimension":2,"distance":"Cosine","enable_bm25":true})", 400,
        "invalid_payload", "enable_bm25 is not supported yet"},
       {R"({"name":"a","dimension":2,"distance":"Cosine","vectors":{"t":{"dimension":2}}})", 400,
        "invalid_payload", "vectors is not supported yet"},
       {R"({"name":"a","dimension":2,"distance":"Cosine",)"
        R"("tiered_storage":{"hot_threshold_hours":200}})",
        400, "invalid_payload", "hot_threshold_hours must not be above warm_threshold_hours"},
       {R"({"name":"a","dimension":2,"distance":"Cosine",)"
        R"("tiered_storage":{"compaction_interval_secs":0}})",
        400, "invalid_payload", "compaction_interval_secs must be between 1 and"},
       {R"({"name":"a","dimension":2,"distance":"Cosine",)"
        R"("tiered_storage":{"warm_threshold_hours":4000000000}})",
        400, "invalid_payload", "warm_threshold_hours must be at most"},
       {R"({"name":"a","dimension":2,"distance":"Cosine","tiered_storage":{"enabled":1}})", 422,
        "invalid_payload", "tiered_storage.enabled must be true or false"},
       {R"({"name":"a","dimension":2,"distance":"Cosine",)"
        R"("quantization":{"Product":{"subvectors":2,"bits":4}}})",
        400, "invalid_payload", "not supported yet"},
       {R"({"name":"a","dimension":2,"distance":"Cosine","index":"tree"})", 422, "invalid_payload",
        "unknown index"},
       {R"({"name":"a","dimension":2,"distance":"Cosine","quantization":"Int4"})", 422,
        "invalid_payload", "quantization"},
       {R"({"name":"a","dimension":2,"distance":"Cosine",)"
        R"("quantization":{"Polar":{"bits_per_angle":9}}})",
        400, "invalid_payload", "between 1 and 8"},
       {R"({"name":"a","dimension":2,"distance":"Cosine","storage":{"vectors":"tape"}})", 422,
        "invalid_payload", "unknown storage.vectors 'tape'; there are ram, mmap, disk, none"},
       {R"({"name":"a","dimension":2,"distance":"Cosine","storage":{"precision":"f8"}})", 422,
        "invalid_payload", "unknown storage.precision 'f8'; there are f32, f16, bf16"},
       {R"({"name":"a","dimension":2,"distance":"Cosine",)"
        R"("storage":{"vectors":"none","precision":"f16"}})",
        400, "invalid_payload", "storage.precision has no meaning"},
       {R"({"name":"a","dimension":2,"distance":"Cosine","quantization":"None",)"
        R"("storage":{"vectors":"disk"}})",
        400, "invalid_payload", "needs a quantization to walk on"},
       {R"({"name":"a","dimension":2,"distance":"Cosine","hnsw":{"m":1000}})", 400,
        "invalid_payload", "m must be between"},
       {R"({"name":"a","dimension":2,"distance":"Cosine","default_ttl_days":4294967295})", 400,
        "invalid_payload", "default_ttl_days must be between 1 and 36500"},
       {R"([])", 422, "invalid_payload", "JSON object"},
       {R"({"name")", 400, "invalid_payload", "malformed JSON"}});
  EXPECT_EQ(at(call("list_collections"), "/collections/1"), "(none)");
}

TEST_F(CollectionsTest, ListIsInOrderOfName) {
  for (const char* name : {"b", "a", "C"}) {
    call("create_collection",
         R"({"name":")" + std::string(name) + R"(","dimension":2,"distance":"DotProduct"})");
  }
  const Answer answer = call("list_collections");
  EXPECT_EQ(at(answer, "/collections/0/name"), "\"C\"");
  EXPECT_EQ(at(answer, "/collections/1/name"), "\"a\"");
  EXPECT_EQ(at(answer, "/collections/2/name"), "\"b\"");
  EXPECT_EQ(at(answer, "/collections/2/num_points"), "0");
  EXPECT_EQ(at(answer, "/collections/2/distance"), "\"DotProduct\"");
}

TEST_F(CollectionsTest, ListCanBeNarrowedToANamespace) {
  create();
  call("create_collection", R"({"name":"other","dimension":2,"distance":"Cosine"})");
  call("upsert_points", R"({"points":[{"id":"a","vector":[1,2],"namespace":"t"}]})");
  const Answer answer = call("list_collections", "", "", {{"namespace", "t"}});
  EXPECT_EQ(at(answer, "/collections/0/name"), "\"docs\"");
  EXPECT_EQ(at(answer, "/collections/1"), "(none)");
}

TEST_F(CollectionsTest, OneThatCannotBeOpenedIsListedAndSaysWhy) {
  create();
  call("create_collection", R"({"name":"other","dimension":2,"distance":"Cosine"})");
  ASSERT_TRUE(files_.remove("data/collections/docs/config.json").ok());
  reopen();
  for (const char* ns : {"", "t"}) {
    const Answer listed = call("list_collections", "", "", {{"namespace", ns}});
    EXPECT_EQ(at(listed, "/collections/0/name"), "\"docs\"");
    EXPECT_EQ(at(listed, "/collections/0/dimension"), "2");
    EXPECT_NE(at(listed, "/collections/0/unavailable").find("is missing"), std::string::npos);
    EXPECT_EQ(at(listed, "/collections/1/unavailable"), "(none)");
  }
  const Answer health = call("health");
  EXPECT_EQ(at(health, "/collections/total"), "2");
  EXPECT_EQ(at(health, "/collections/unavailable"), "1");
  EXPECT_NE(call("metrics").body.find("collections_unavailable 1"), std::string::npos);
  const Answer answer = call("get_collection");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(at(answer, "/error"), "\"unavailable\"");
}

TEST_F(CollectionsTest, GetTellsPointsAndTimes) {
  create();
  clock_.advance_micros(60'000'000);
  call("upsert_points", R"({"points":[{"id":"a","vector":[1,2]}]})");
  const Answer answer = call("get_collection");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(at(answer, "/num_points"), "1");
  EXPECT_EQ(at(answer, "/created_at"), "1700000000");
  EXPECT_EQ(at(answer, "/last_updated"), "1700000060");
  EXPECT_EQ(at(answer, "/lsn"), "1");
  EXPECT_EQ(at(answer, "/retention_days"), "(none)");
  EXPECT_EQ(at(answer, "/stats/index_size_bytes").find('.'), std::string::npos);
}

TEST_F(CollectionsTest, MissingOnesAreNotFound) {
  for (const char* name : {"get_collection", "delete_collection", "collection_stats",
                           "collection_tiers", "list_points", "get_point"}) {
    const Answer answer = call(name);
    EXPECT_EQ(answer.status, 404) << name;
    EXPECT_EQ(at(answer, "/error"), "\"collection_not_found\"") << name;
    EXPECT_EQ(at(answer, "/message"), "\"collection 'docs' not found\"") << name;
  }
  EXPECT_EQ(call("patch_collection", "{}").status, 404);
}

TEST_F(CollectionsTest, DeleteRemovesAtOnce) {
  create();
  call("upsert_points", R"({"points":[{"id":"a","vector":[1,2]}]})");
  call("search", R"({"vector":[1,2],"limit":1})");
  const Answer answer = call("delete_collection");
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.body, "");
  EXPECT_EQ(call("delete_collection").status, 404);
  create();
  EXPECT_EQ(at(call("collection_stats"), "/num_points"), "0");
  EXPECT_EQ(at(call("collection_stats"), "/p95_latency_ms"), "0");
}

TEST_F(CollectionsTest, CoarseCodesAreSearchedMoreWidelyUnlessSaidOtherwise) {
  struct Row {
    const char* fields;
    const char* ef_search;
  };
  int number = 0;
  for (const Row& row :
       {Row{R"("dimension":100,"quantization":{"RaBitQ":{"bits":1}})", "200"},
        Row{R"("dimension":100,"quantization":{"RaBitQ":{"bits":4}})", "50"},
        Row{R"("dimension":384,"quantization":{"RaBitQ":{"bits":1}})", "50"},
        Row{R"("dimension":8,"quantization":{"Polar":{"bits_per_angle":3}})", "200"},
        Row{R"("dimension":8,"quantization":{"Scalar":{"dtype":"Int8"}})", "50"},
        Row{R"("dimension":8,"quantization":{"RaBitQ":{"bits":1}},
                                "hnsw":{"ef_search":50})",
            "50"}}) {
    const Answer answer =
        call("create_collection", R"({"name":"c)" + std::to_string(number++) +
                                      R"(","distance":"Cosine",)" + row.fields + "}");
    EXPECT_EQ(at(answer, "/hnsw/ef_search"), row.ef_search) << answer.body;
  }
  create();
  const auto patched = [this](const char* body) {
    EXPECT_EQ(call("patch_collection", body).status, 204);
    return at(call("get_collection"), "/hnsw/ef_search");
  };
  EXPECT_EQ(patched(R"({"quantization":{"RaBitQ":{"bits":1}}})"), "200");
  EXPECT_EQ(patched(R"({"quantization":"None"})"), "50");
  EXPECT_EQ(patched(R"({"hnsw":{"ef_search":70}})"), "70");
  EXPECT_EQ(patched(R"({"quantization":{"RaBitQ":{"bits":1}}})"), "70");
}

TEST_F(CollectionsTest, PatchChangesTheDefaultTimeToLive) {
  create();
  EXPECT_EQ(call("patch_collection", R"({"retention_days":5})").status, 204);
  EXPECT_EQ(call("patch_collection", R"({"default_ttl_days":3})").status, 204);
  EXPECT_EQ(at(call("get_collection"), "/default_ttl_days"), "3");
  EXPECT_EQ(at(call("get_collection"), "/retention_days"), "5");
  call("upsert_points", R"({"points":[{"id":"a","vector":[1,2]}]})");
  EXPECT_EQ(call("patch_collection", R"({"default_ttl_days":0})").status, 204);
  EXPECT_EQ(at(call("get_collection"), "/default_ttl_days"), "(none)");
  call("upsert_points", R"({"points":[{"id":"b","vector":[1,2]}]})");
  EXPECT_EQ(call("patch_collection", R"({"default_ttl_days":36501})").status, 400);
  clock_.advance_micros(3 * uint64_t{86'400'000'000} + 1000);
  EXPECT_EQ(call("get_point", "", "a").status, 404);
  EXPECT_EQ(call("get_point", "", "b").status, 200);
}

TEST_F(CollectionsTest, PatchChangesRetentionAndIndex) {
  create();
  EXPECT_EQ(call("patch_collection", R"({"retention_days":3})").status, 204);
  EXPECT_EQ(at(call("get_collection"), "/retention_days"), "3");
  EXPECT_EQ(call("patch_collection", R"({"index":"fast","quantization":{"RaBitQ":{"bits":8}},
      "hnsw":{"ef_search":77}})")
                .status,
            204);
  EXPECT_EQ(at(call("get_collection"), "/retention_days"), "3");
  EXPECT_EQ(at(call("get_collection"), "/index"), "\"fast\"");
  EXPECT_EQ(at(call("get_collection"), "/quantization_in_force"), "\"rabitq8\"");
  EXPECT_EQ(at(call("collection_stats"), "/ef_search_current"), "77");
  EXPECT_EQ(at(call("collection_stats"), "/index_build_left"), "null");
  EXPECT_EQ(call("patch_collection", "{}").status, 204);
  EXPECT_EQ(at(call("get_collection"), "/retention_days"), "(none)");
  EXPECT_EQ(at(call("get_collection"), "/index"), "\"fast\"");
}

TEST_F(CollectionsTest, PatchRefusesWhatIsWrongAndChangesNothing) {
  create();
  expect_refused(
      "patch_collection",
      {{R"({"retention_days":"3"})", 422, "invalid_payload", "retention_days"},
       {R"({"dimension":3})", 400, "invalid_payload", "dimension cannot be changed"},
       {R"({"storage":{"vectors":"disk"}})", 400, "invalid_payload", "storage cannot be changed"},
       {R"({"index":"tree"})", 422, "invalid_payload", "unknown index"},
       {R"({"index":"fast","hnsw":{"m":1000}})", 400, "invalid_payload", "m must be between"}});
  EXPECT_EQ(at(call("get_collection"), "/index"), "\"auto\"");
}

TEST_F(CollectionsTest, StatsHaveTheContractsFields) {
  create();
  call("upsert_points", R"({"points":[{"id":"a","vector":[1,2]}]})");
  call("search", R"({"vector":[1,2],"limit":1})");
  const Answer answer = call("collection_stats");
  EXPECT_EQ(at(answer, "/num_points"), "1");
  EXPECT_EQ(at(answer, "/num_queries"), "1");
  for (const char* field :
       {"/avg_latency_ms", "/p50_latency_ms", "/p95_latency_ms", "/p99_latency_ms",
        "/tombstone_count", "/tombstone_memory_waste_bytes", "/ef_search_current",
        "/hnsw_auto_tune_enabled", "/unlinked_points", "/avg_points_per_second",
        "/unreachable_points", "/memory/vectors", "/lsn"}) {
    EXPECT_NE(at(answer, field), "(none)") << field;
  }
}

}  // namespace
}  // namespace ferres
