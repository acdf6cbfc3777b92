#!/usr/bin/env python3
# The published Python SDK against the real server. The SDK awaits httpx's json(), which is not
# awaitable; the shim below makes its value so, and the rest of the SDK runs as published.
import asyncio
import time
import unittest

import httpx
import structlog
from vector_db_client import DistanceMetric, Point, VectorDBClient
from vector_db_client.exceptions import (BudgetExceededError, CollectionAlreadyExistsError,
                                         CollectionNotFoundError, InvalidDimensionError,
                                         InvalidPayloadError, VectorDBError)

from suite import API_KEY, ServerTest, binary

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


def awaitable_json():
    """The shim: what json() returns can be awaited and used as before."""
    plain = httpx.Response.json

    def awaitable(value):
        async def value_later():
            return value
        return value_later()

    httpx.Response.json = lambda self, **more: awaitable(plain(self, **more))


class Sdk(ServerTest):
    def connect(self, key=API_KEY):
        return VectorDBClient(f"http://127.0.0.1:{self.server.port}", api_key=key)

    def run_async(self, scenario):
        async def with_client():
            async with self.connect() as client:
                return await scenario(client)
        return asyncio.run(with_client())

    def test_collections(self):
        async def scenario(db):
            made = await db.create_collection("docs", 4, DistanceMetric.COSINE)
            self.assertEqual((made.name, made.dimension, made.distance),
                             ("docs", 4, DistanceMetric.COSINE))
            listed = {c.name: c for c in await db.list_collections()}
            self.assertEqual((listed["docs"].dimension, listed["docs"].num_points), (4, 0))
            detail = await db.get_collection("docs")
            self.assertEqual((detail.name, detail.dimension, detail.num_points,
                              detail.distance), ("docs", 4, 0, DistanceMetric.COSINE))
            with self.assertRaises(CollectionAlreadyExistsError) as caught:
                await db.create_collection("docs", 4, DistanceMetric.COSINE)
            self.assertIn("docs", str(caught.exception))
            await db.delete_collection("docs")
            with self.assertRaises(CollectionNotFoundError) as caught:
                await db.get_collection("docs")
            self.assertIn("docs", str(caught.exception))
            with self.assertRaises(CollectionNotFoundError):
                await db.delete_collection("docs")
            with self.assertRaises(InvalidPayloadError):
                await db.create_collection("no such name!", 4, DistanceMetric.COSINE)
        self.run_async(scenario)

    def test_restore(self):
        async def scenario(db):
            await db.create_collection("past", 2, DistanceMetric.COSINE)
            await db.upsert_points("past", [Point(id="old", vector=[1, 2], metadata={})])
            then = int(time.time())
            while int(time.time()) == then:
                await asyncio.sleep(0.01)
            await db.upsert_points("past", [Point(id="new", vector=[2, 1], metadata={})])
            points = {p.collection: p for p in (await db.get_restore_points()).collections}
            self.assertLessEqual(points["past"].wal_min_timestamp, then)
            self.assertGreater(points["past"].wal_max_timestamp, then)
            answer = await db.restore_to_timestamp(then, "past")
            self.assertEqual(answer.collections_restored, ["past"])
            self.assertEqual((await db.get_collection("past")).num_points, 1)
            await db.delete_collection("past")
        self.run_async(scenario)

    def test_points_and_search(self):
        async def scenario(db):
            await db.create_collection("points", 4, DistanceMetric.EUCLIDEAN)
            points = [Point(id=f"p{i}", vector=[float(i), 0.5, 0.25, 1.0],
                            metadata={"even": i % 2 == 0, "n": i}) for i in range(1500)]
            written = await db.upsert_points("points", points)  # two requests
            self.assertEqual((written.upserted, written.failed), (1500, []))
            self.assertEqual((await db.upsert_points("points", [])).upserted, 0)
            detail = await db.get_collection("points")
            self.assertEqual(detail.num_points, 1500)

            found = await db.search("points", [7.2, 0.5, 0.25, 1.0], limit=3)
            self.assertEqual([r.id for r in found.results], ["p7", "p8", "p6"])
            self.assertAlmostEqual(found.results[0].score, 0.2, places=4)
            self.assertEqual(found.results[0].metadata, {"even": False, "n": 7})
            found = await db.search("points", [7.2, 0.5, 0.25, 1.0], limit=2,
                                    filter={"even": True, "n": {"$gt": 8}})
            self.assertEqual([r.id for r in found.results], ["p10", "p12"])

            point = await db.get_point("points", "p3")
            self.assertEqual((point.id, point.vector, point.metadata),
                             ("p3", [3.0, 0.5, 0.25, 1.0], {"even": False, "n": 3}))
            with self.assertRaises(CollectionNotFoundError):
                await db.get_point("points", "nobody")

            ids, offset = [], 0
            while True:
                page = await db.list_points("points", limit=400, offset=offset)
                self.assertEqual(page.total, 1500)
                ids += [p.id for p in page.points]
                offset += len(page.points)
                if not page.has_more:
                    break
            self.assertEqual(sorted(ids), sorted(f"p{i}" for i in range(1500)))
            page = await db.list_points("points", limit=5, filter={"n": {"$lt": 3}})
            self.assertEqual((page.total, len(page.points), page.has_more), (3, 3, False))

            gone = await db.delete_points("points", ["p0", "p1", "nobody"])
            self.assertEqual(gone.deleted, 2)
            self.assertEqual((await db.get_collection("points")).num_points, 1498)
            found = await db.search("points", [0.0, 0.5, 0.25, 1.0], limit=1)
            self.assertEqual(found.results[0].id, "p2")
        self.run_async(scenario)

    def test_estimate_and_budget(self):
        async def scenario(db):
            await db.create_collection("costly", 4, DistanceMetric.COSINE)
            await db.upsert_points("costly", [
                Point(id=f"p{i}", vector=[1.0, i, 2.0, 3.0], metadata={"n": i}) for i in range(500)])
            found = await db.search("costly", [1.0, 2.0, 3.0, 4.0], limit=5, budget_ms=1000)
            self.assertEqual(len(found.results), 5)
            with self.assertRaises(BudgetExceededError) as caught:
                await db.search("costly", [1.0, 2.0, 3.0, 4.0], limit=5, budget_ms=0)
            self.assertGreater(caught.exception.estimate["estimated_ms"], 0)
            told = await db.estimate_search_cost("costly", limit=5, filter={"n": {"$lt": 9}},
                                                 include_history=True)
            parts = told.estimate.breakdown
            self.assertAlmostEqual(told.estimate.estimated_ms,
                                   parts.index_scan_cost + parts.filter_cost +
                                   parts.hydration_cost + parts.network_overhead)
            self.assertEqual(told.historical_latency.total_queries, 1)
        self.run_async(scenario)

    def test_explain(self):
        async def scenario(db):
            await db.create_collection("told", 4, DistanceMetric.COSINE)
            await db.upsert_points("told", [
                Point(id=f"p{i}", vector=[1.0, i, 2.0, 3.0], metadata={"n": i}) for i in range(50)])
            query, wanted = [1.0, 2.0, 2.0, 3.0], {"n": {"$gte": 4}}
            told = await db.search_explain("told", query, limit=3, filter=wanted)
            found = await db.search("told", query, limit=3, filter=wanted)
            answer = sorted((r for r in told.results if 0 < r.rank_after_filter <= 3),
                            key=lambda r: r.rank_after_filter)
            self.assertEqual([(r.id, r.score) for r in answer],
                             [(r.id, r.score) for r in found.results])
            nearest = told.results[0]
            self.assertEqual((nearest.id, nearest.rank_before_filter, nearest.rank_after_filter),
                             ("p2", 1, 0))
            condition = nearest.filter_evaluation.conditions[0]
            self.assertEqual((condition.field, condition.operator, condition.expected,
                              condition.actual, condition.passed), ("n", "$gte", 4, 2, False))
            self.assertEqual(told.index_stats.total_points, 50)
        self.run_async(scenario)

    def test_reindex(self):
        async def scenario(db):
            await db.create_collection("again", 4, DistanceMetric.COSINE)
            await db.upsert_points("again", [
                Point(id=f"p{i}", vector=[1.0, i, i % 7, 3.0], metadata={}) for i in range(3000)])
            begun = await db.start_reindex("again")
            self.assertEqual((begun.collection, begun.status.value), ("again", "Building"))
            while True:
                job = await db.get_reindex_job("again", begun.job_id)
                self.assertTrue(0 <= job.progress <= 1)
                if job.completed_at is not None:
                    break
                found = await db.search("again", [1.0, 5.0, 5.0, 3.0], limit=1)
                self.assertEqual(found.results[0].id, "p5")
                await asyncio.sleep(0.01)
            self.assertEqual((job.status.value, job.error, job.progress), ("Completed", None, 1))
            self.assertEqual((job.stats.points_processed, job.stats.points_total), (3000, 3000))
            self.assertEqual([j.id for j in await db.list_reindex_jobs("again")], [begun.job_id])
            with self.assertRaises(CollectionNotFoundError):
                await db.get_reindex_job("again", "nothing")
        self.run_async(scenario)

    def test_failed_points_and_errors(self):
        async def scenario(db):
            await db.create_collection("wrong", 4, DistanceMetric.DOT_PRODUCT)
            written = await db.upsert_points("wrong", [
                Point(id="good", vector=[1.0, 2.0, 3.0, 4.0], metadata={}),
                Point(id="short", vector=[1.0], metadata={})])
            self.assertEqual(written.upserted, 1)
            self.assertEqual(len(written.failed), 1)
            with self.assertRaises(InvalidDimensionError):
                await db.search("wrong", [1.0, 2.0], limit=1)
            with self.assertRaises(InvalidPayloadError):
                await db.search("wrong", [1.0, 2.0, 3.0, 4.0], limit=1, filter={"a": {"$x": 1}})
            found = await db.search("wrong", [1.0, 2.0, 3.0, 4.0], limit=1)
            self.assertAlmostEqual(found.results[0].score, 1 - 30.0, places=3)
            with self.assertRaises(CollectionNotFoundError):
                await db.upsert_points("nobody", [Point(id="a", vector=[1.0], metadata={})])
        self.run_async(scenario)

    def test_namespaces(self):
        async def scenario(db):
            await db.create_collection("tenants", 2, DistanceMetric.COSINE)
            for name in ("a", "b", None):
                await db.upsert_points("tenants", [
                    Point(id="same", vector=[1.0, 0.0], metadata={"of": name}, namespace=name)])
            self.assertEqual((await db.get_collection("tenants")).num_points, 3)
            found = await db.search("tenants", [1.0, 0.0], limit=10, namespace="b")
            self.assertEqual([r.metadata for r in found.results], [{"of": "b"}])
            point = await db.get_point("tenants", "same", namespace="a")
            self.assertEqual(point.metadata, {"of": "a"})
            gone = await db.delete_points("tenants", ["same"], namespace="a")
            self.assertEqual(gone.deleted, 1)
            with self.assertRaises(CollectionNotFoundError):
                await db.get_point("tenants", "same", namespace="a")
            self.assertEqual((await db.get_point("tenants", "same")).metadata, {"of": None})
        self.run_async(scenario)

    def test_links(self):
        async def scenario(db):
            await db.create_collection("linked", 2, DistanceMetric.COSINE)
            await db.upsert_points("linked", [
                Point(id=f"p{i}", vector=[1.0, float(i)], metadata={"n": i}) for i in range(5)])
            for one, other in (("p0", "p1"), ("p1", "p2"), ("p2", "p3")):
                await db.link_points("linked", one, other)
            self.assertEqual((await db.get_point("linked", "p1")).relations, ["p0", "p2"])
            graph = await db.get_subgraph("linked", "p0", depth=2, seed=7, limit=10)
            self.assertEqual([(n.id, n.metadata) for n in graph.nodes],
                             [(f"p{i}", {"n": i}) for i in range(3)])
            self.assertEqual([(e.from_id, e.to_id) for e in graph.edges],
                             [("p0", "p1"), ("p1", "p2")])
            await db.delete_points("linked", ["p1"])
            self.assertFalse((await db.get_point("linked", "p0")).relations)
            for ids in (("p0", "p1"), ("nobody", "p0")):
                with self.assertRaises(CollectionNotFoundError):
                    await db.link_points("linked", *ids)
            with self.assertRaises(InvalidPayloadError):
                await db.link_points("linked", "p0", "p0")
            with self.assertRaises(CollectionNotFoundError):
                await db.get_subgraph("linked", "nobody")
        self.run_async(scenario)

    def test_keys(self):
        async def scenario(db):
            await db.create_collection("kept", 2, DistanceMetric.COSINE)
            for name in ("a", "b"):
                await db.upsert_points("kept", [
                    Point(id="same", vector=[1.0, 0.0], metadata={"of": name}, namespace=name)])
            made = await db.create_key(" tenant ", allowed_namespaces=["a"])
            self.assertEqual((made.name, made.key[:18], made.allowed_namespaces),
                             ("tenant", made.key_prefix, ["a"]))
            listed = {key.id: key for key in await db.list_keys()}
            self.assertEqual(
                (listed[made.id].name, listed[made.id].key_prefix, listed[made.id].created_at,
                 listed[made.id].allowed_namespaces),
                ("tenant", made.key_prefix, made.created_at, ["a"]))
            self.assertEqual(len(listed), 2)  # and the one of the settings
            async with self.connect(made.key) as tenant:
                async def found():
                    return [r.metadata["of"] for r in (await tenant.search(
                        "kept", [1.0, 0.0], limit=9)).results]
                self.assertEqual(await found(), ["a"])
                with self.assertRaises(VectorDBError) as caught:
                    await tenant.search("kept", [1.0, 0.0], limit=9, namespace="b")
                self.assertIn("API key does not have access to this namespace",
                              str(caught.exception))
                await db.update_key(made.id, ["a", "b"])
                self.assertEqual(sorted(await found()), ["a", "b"])
                await db.update_key(made.id, None)
                self.assertEqual(sorted(await found()), ["a", "b"])
                await db.delete_key(made.id)
                with self.assertRaises(VectorDBError):
                    await found()
            self.assertNotIn(made.id, [key.id for key in await db.list_keys()])
            with self.assertRaises(VectorDBError):
                await db.delete_key(made.id)
            with self.assertRaises(InvalidPayloadError):
                await db.create_key("  ")
        self.run_async(scenario)


if __name__ == "__main__":
    binary()
    awaitable_json()
    unittest.main(verbosity=2)
