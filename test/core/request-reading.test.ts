import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isPlainPath } from '../../src/core/http-request.ts'
import { requestIdOf } from '../../src/core/request-id.ts'
import { traceOf } from '../../src/core/trace-context.ts'
import { request } from '../support/door-cast.ts'

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const parent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

test("a client's request id is kept when it is one harmless token, and replaced otherwise", () => {
  const of = (...ids: string[]) => requestIdOf(request({ headers: ids.map((id) => ['x-request-id', id] as const) }))
  assert.equal(of('a-B_1.2'), 'a-B_1.2')
  assert.equal(of('a'.repeat(128)), 'a'.repeat(128))
  for (const ids of [[], [''], ['a'.repeat(129)], ['a b'], ['a\n{"level":60}'], ['<script>'], ['a', 'a'], ['é']])
    assert.match(of(...ids), uuid)
})

test('a trace is taken only when it is well formed', () => {
  const of = (traceparent: string, ...states: string[]) =>
    traceOf(request({ headers: [['traceparent', traceparent], ...states.map((state) => ['tracestate', state] as const)] }))
  assert.deepEqual(of(parent), { traceparent: parent, tracestate: undefined })
  assert.equal(of(parent, 'a=1', 'b=2')?.tracestate, 'a=1,b=2')
  for (const state of ['a', 'A=1', 'a=1,b', `a=${'x'.repeat(600)}`, 'a=ü']) assert.equal(of(parent, state)?.tracestate, undefined, state)
  const bad = [
    '',
    parent.toUpperCase(),
    `ff${parent.slice(2)}`,
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-4bf92f3577b34da6a3ce929d0e0e4736-${'0'.repeat(16)}-01`,
    `${parent}-x`,
    ` ${parent}`,
    parent.slice(0, -1),
  ]
  for (const traceparent of bad) assert.equal(of(traceparent), undefined, traceparent)
  assert.equal(
    traceOf(
      request({
        headers: [
          ['traceparent', parent],
          ['traceparent', parent],
        ],
      }),
    ),
    undefined,
  )
})

test('a path is plain only if no router could read it otherwise', () => {
  for (const path of ['/', '/health', '/a/b.js', '/a/', '/a..b/c']) assert.ok(isPlainPath(path), path)
  for (const path of ['', 'health', '//', '/a//b', '/a/../b', '/..', '/a/.', '/%61', '/a;b', '/a\\b', '/a#b', '/ａ', '/a b', '*'])
    assert.ok(!isPlainPath(path), path)
})
