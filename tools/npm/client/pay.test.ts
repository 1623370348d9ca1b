// A client that public generators make of openapi.yaml, against the running service: it pays,
// replays, is declined, refunds, waits, lists, captures and voids. See run.sh.
import assert from "node:assert/strict";
import { test } from "node:test";
import createClient from "openapi-fetch";
import type { components, paths } from "./contract.js";

const client = createClient<paths>({ baseUrl: process.env.SERVICE_URL ?? "" });

const pay = (order_id: string, amount: number | string, prefer?: string) =>
  client.POST("/payments/process", {
    params: { header: prefer === undefined ? {} : { Prefer: prefer } },
    body: { order_id, amount },
  });

// sentence is what an error says; the contract has other forms of them, for those who ask.
const sentence = (error: components["schemas"]["Error"] | components["schemas"]["Problem"] | string | undefined): string => {
  assert.ok(typeof error === "object" && "error" in error);
  return error.error;
};

test("pays, and replays", async () => {
  const first = await pay("order-1", 100.0);
  assert.equal(first.response.status, 200);
  assert.equal(first.data?.status, "success");
  assert.equal(first.response.headers.get("Idempotent-Replayed"), null);
  const second = await pay("order-1", "100.00");
  assert.deepEqual(second.data, first.data);
  assert.equal(second.response.headers.get("Idempotent-Replayed"), "true");
});

test("is declined, and refused", async () => {
  const declined = await pay("order-2", 9402);
  assert.equal(declined.response.status, 402);
  assert.deepEqual(declined.error, { error: "Payment declined", code: "card_declined" });
  const mismatch = await pay("order-2", 9403);
  assert.equal(mismatch.response.status, 422);
  assert.match(sentence(mismatch.error), /another amount/);
  const wrong = await pay("order 3", 1);
  assert.equal(wrong.response.status, 400);
  assert.match(sentence(wrong.error), /^order_id must/);
});

test("waits for a payment that is made later", async () => {
  const accepted = await pay("order-4", 9503, "respond-async"); // fails once, then is approved
  assert.equal(accepted.response.status, 202);
  assert.equal(accepted.response.headers.get("Location"), "/payments/order-4");
  assert.equal(accepted.response.headers.get("Preference-Applied"), "respond-async");
  let payment: components["schemas"]["PaymentHistory"] | undefined;
  for (const end = Date.now() + 30_000; Date.now() < end && payment?.state !== "succeeded"; ) {
    const found = await client.GET("/payments/{order_id}", { params: { path: { order_id: "order-4" } } });
    assert.equal(found.response.status, 200);
    payment = found.data;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.equal(payment?.state, "succeeded");
  assert.deepEqual(payment?.attempts.map((attempt) => attempt.class), ["unknown_answered", "approved"]);
});

test("refunds, and replays", async () => {
  const path = { order_id: "order-1" };
  const refund = (body: components["schemas"]["RefundRequest"]) =>
    client.POST("/payments/{order_id}/refunds", { params: { path }, body });
  const first = await refund({ refund_id: "refund/1", amount: 25.0, reason: "damaged in transit" });
  assert.equal(first.response.status, 200);
  assert.equal(first.data?.status, "success");
  const second = await refund({ refund_id: "refund/1" });
  assert.deepEqual(second.data, first.data);
  assert.equal(second.response.headers.get("Idempotent-Replayed"), "true");
  const refused = await refund({ refund_id: "refund-2", amount: "75.01" });
  assert.equal(refused.response.status, 422);
  assert.match(sentence(refused.error), /75\.00 USD/);

  const found = await client.GET("/payments/{order_id}/refunds/{refund_id}", {
    params: { path: { order_id: "order-1", refund_id: "refund/1" } },
  });
  assert.equal(found.data?.amount, "25.00");
  assert.equal(found.data?.reason, "damaged in transit");
  const all = await client.GET("/payments/{order_id}/refunds", { params: { path } });
  assert.deepEqual(all.data?.refunds.map((one) => one.refund_id), ["refund/1"]);
  const payment = await client.GET("/payments/{order_id}", { params: { path } });
  assert.deepEqual([payment.data?.refunded, payment.data?.refundable], ["25.00", "75.00"]);
});

test("lists by pages", async () => {
  const orders: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.GET("/payments", {
      params: { query: { state: ["succeeded", "declined"], limit: 1, ...(cursor === undefined ? {} : { cursor }) } },
    });
    assert.equal(page.response.status, 200);
    orders.push(...(page.data?.payments ?? []).map((payment) => payment.order_id));
    cursor = page.data?.next_cursor;
  } while (cursor !== undefined);
  assert.deepEqual(orders, ["order-4", "order-2", "order-1"]);
  const future = await client.GET("/payments", { params: { query: { created_from: "2999-01-01T00:00:00Z" } } });
  assert.deepEqual(future.data?.payments, []);
  const unknown = await client.GET("/payments/{order_id}", { params: { path: { order_id: "a/b" } } });
  assert.equal(unknown.response.status, 404);
});

test("holds, captures a part, and voids", async () => {
  const hold = (order_id: string) =>
    client.POST("/payments/process", { body: { order_id, amount: 100.0, capture: "manual" } });
  assert.equal((await hold("order-5")).data?.status, "authorized");
  const path = { order_id: "order-5" };
  const capture = (body: components["schemas"]["CaptureRequest"]) =>
    client.POST("/payments/{order_id}/capture", { params: { path }, body });
  const first = await capture({ amount: 60.0 });
  assert.equal(first.response.status, 200);
  assert.equal(first.data?.status, "success");
  const second = await capture({});
  assert.deepEqual(second.data, first.data);
  assert.equal(second.response.headers.get("Idempotent-Replayed"), "true");
  const captured = await client.GET("/payments/{order_id}", { params: { path } });
  assert.deepEqual(
    [captured.data?.state, captured.data?.capture, captured.data?.captured, captured.data?.refundable],
    ["succeeded", "manual", "60.00", "60.00"],
  );
  assert.deepEqual(captured.data?.operations?.map((one) => one.kind), ["capture"]);
  const late = await client.POST("/payments/{order_id}/void", { params: { path } });
  assert.equal(late.response.status, 422);
  assert.ok(typeof late.error === "object" && "state" in late.error);
  assert.equal(late.error.state, "succeeded");

  assert.equal((await hold("order-6")).response.status, 200);
  const voided = await client.POST("/payments/{order_id}/void", {
    params: { path: { order_id: "order-6" } }, body: { reason: "sold out" },
  });
  assert.equal(voided.response.status, 200);
  assert.equal((await hold("order-6")).response.status, 422);
});

test("finds the service alive, and the contract there", async () => {
  assert.deepEqual((await client.GET("/healthz")).data, { status: "ok" });
  assert.deepEqual((await client.GET("/readyz")).data, { status: "ready" });
  const contract = await client.GET("/openapi.yaml", { parseAs: "text" });
  assert.match(contract.data ?? "", /^openapi: 3\.1/);
});
