// ferresdb-bench: measures FerresDB on a data set of .npy files. `ann` and `filter` run inside the
// process, `load` drives a running server. Results are printed and written as JSON.
#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "ann.h"
#include "filter.h"
#include "load.h"
#include "measure.h"

namespace {

template <class Options>
void add_common(CLI::App& app, Options& options) {
  options.efs = ferres::bench::kEfDefault;
  app.add_option("--base", options.base, "Vectors to store: .npy of float32, float16 or uint8")
      ->required();
  app.add_option("--queries", options.queries, "Vectors to search for, .npy")->required();
  app.add_option("--gt", options.truth, "Exact neighbours of each query, .npy of int32")
      ->required();
  app.add_option("--metric", options.metric, "cosine, euclidean or dot")->capture_default_str();
  app.add_option("--k", options.k, "Neighbours a query")->capture_default_str();
  app.add_option("--config", options.config,
                 "Body of create collection (JSON, or a file of it); name, dimension and distance "
                 "are filled in");
  app.add_option("--ef", options.efs, "Values of ef_search; the sweep ends above recall 0.998")
      ->capture_default_str();
  app.add_option("--json", options.json, "File for the result")->required();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures FerresDB: recall against speed, memory, build and open time.");
  app.require_subcommand(1);

  ferres::bench::AnnOptions ann;
  CLI::App& ann_app = *app.add_subcommand("ann", "A collection inside this process");
  add_common(ann_app, ann);
  ann_app.add_option("--threads", ann.threads, "Threads that build, and that search")
      ->capture_default_str();
  ann_app.add_option("--seed", ann.seed, "Seed of the index")->capture_default_str();
  ann_app.add_option("--dir", ann.dir, "Empty folder for the collection; default: a temporary one");

  ferres::bench::LoadOptions load;
  CLI::App& load_app = *app.add_subcommand("load", "A running server, through HTTP");
  add_common(load_app, load);
  load_app.add_option("--url", load.url, "http://host:port")->required();
  load_app.add_option("--key", load.key, "API key");
  load_app.add_option("--connections", load.connections, "Connections, a thread each")
      ->capture_default_str();
  load_app.add_option("--batch", load.batch, "Points an upsert, at most 1000")
      ->capture_default_str();
  load_app.add_option("--collection", load.collection, "Created anew and dropped at the end")
      ->capture_default_str();
  load_app.add_option("--pid", load.pid, "The server's process, to measure its CPU time");

  ferres::bench::FilterOptions filter;
  CLI::App& filter_app = *app.add_subcommand("filter", "Filtered searches inside this process");
  filter_app.add_option("--base", filter.base, "Vectors to store, .npy")->required();
  filter_app.add_option("--queries", filter.queries, "Vectors to search for, .npy")->required();
  filter_app.add_option("--metric", filter.metric, "cosine, euclidean or dot")
      ->capture_default_str();
  filter_app.add_option("--k", filter.k, "Neighbours a query")->capture_default_str();
  filter_app.add_option("--config", filter.config, "Body of create collection, as for ann");
  filter_app.add_option("--payload", filter.payload, "Metadata: a JSON object a line of base");
  filter_app.add_option("--filter", filter.filters, "A filter on the payload; may be repeated");
  filter_app.add_option("--recall", filter.recall, "Sweep ef_search until it is reached")
      ->capture_default_str();
  filter_app.add_option("--ef", filter.efs, "Values of ef_search")->capture_default_str();
  filter_app.add_option("--queries-max", filter.queries_max, "So many of the queries")
      ->capture_default_str();
  filter_app.add_option("--json", filter.json, "File for the result")->required();

  CLI11_PARSE(app, argc, argv);
  const ferres::Status status = ann_app.parsed()      ? ferres::bench::run_ann(ann)
                                : filter_app.parsed() ? ferres::bench::run_filter(filter)
                                                      : ferres::bench::run_load(load);
  if (status.ok()) return 0;
  fmt::print(stderr, "ferresdb-bench: {}\n", status.message());
  return 1;
}
