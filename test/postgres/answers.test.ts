// The reader of the server's messages: whatever the network makes of them, they arrive whole, once and in order.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { AnswerReader, type AnswerSink } from '../../src/postgres/answers.ts'

function message(code: string, body: Buffer): Buffer {
  const header = Buffer.alloc(5)
  header.write(code, 0, 'latin1')
  header.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([header, body])
}

function dataRow(...values: readonly (string | null)[]): Buffer {
  const parts = [Buffer.from([values.length >> 8, values.length & 255])]
  for (const value of values) {
    const text = Buffer.from(value ?? '')
    const length = Buffer.alloc(4)
    length.writeInt32BE(value === null ? -1 : text.length)
    parts.push(length, text)
  }
  return message('D', Buffer.concat(parts))
}

const answer = Buffer.concat([
  message('2', Buffer.alloc(0)),
  dataRow('grüße', null, ''),
  dataRow('x'.repeat(300)),
  message('C', Buffer.from('SELECT 2\0')),
  message('s', Buffer.alloc(0)),
  message('I', Buffer.alloc(0)),
  message('E', Buffer.from('SERROR\0C23505\0Mduplicate key\0\0')),
  message('S', Buffer.from('search_path\0evil\0')),
  message('Z', Buffer.from('T')),
])

function listener(): { readonly heard: unknown[]; readonly sink: AnswerSink } {
  const heard: unknown[] = []
  const sink: AnswerSink = {
    dataRow: (buffer, at) => {
      const columns = buffer.readInt16BE(at)
      const length = buffer.readInt32BE(at + 2)
      heard.push(['row', columns, buffer.toString('utf8', at + 6, at + 6 + length)])
    },
    commandComplete: (buffer, from, to) => heard.push(['complete', buffer.toString('latin1', from, to)]),
    emptyQuery: () => heard.push('empty'),
    portalSuspended: () => heard.push('suspended'),
    readyForQuery: (status) => heard.push(['ready', status]),
    rare: (rare) => heard.push(rare instanceof pg.DatabaseError ? ['error', rare.code, rare.message] : ['rare', rare.name]),
    garbled: (error) => heard.push(['garbled', error.name]),
  }
  return { heard, sink }
}

const whole = [
  ['row', 3, 'grüße'],
  ['row', 1, 'x'.repeat(300)],
  ['complete', 'SELECT 2'],
  'suspended',
  'empty',
  ['error', '23505', 'duplicate key'],
  ['rare', 'parameterStatus'],
  ['ready', 'T'],
]

test('messages are the same wherever the network cuts them', () => {
  for (let cut = 0; cut <= answer.length; cut += 1) {
    const { heard, sink } = listener()
    const reader = new AnswerReader(sink)
    reader.read(answer.subarray(0, cut))
    reader.read(answer.subarray(cut))
    assert.deepEqual(heard, whole, `cut at ${cut}`)
  }
})

test('messages are the same in pieces of any size', () => {
  for (const size of [1, 2, 3, 4, 5, 7, 64, 301]) {
    const { heard, sink } = listener()
    const reader = new AnswerReader(sink)
    for (let at = 0; at < answer.length; at += size) reader.read(answer.subarray(at, at + size))
    assert.deepEqual(heard, whole, `pieces of ${size}`)
  }
})

test('a message of impossible length is not read past', () => {
  const { heard, sink } = listener()
  const reader = new AnswerReader(sink)
  reader.read(Buffer.concat([Buffer.from([0x44, 0, 0, 0, 3]), answer]))
  assert.deepEqual(heard, [['garbled', 'ConnectionLostError']])
})
