import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { InvalidInputError } from '../../../src/errors.ts'
import { copyField, copyValue, type RewriteValue, rewriteCopyText, rowsIn, wholeRows } from '../../../src/postgres/copy/copy-text.ts'

async function* inChunks(text: string, size: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function rewritten(text: string, columns: readonly string[], rewrites: Record<string, RewriteValue>, size = 3): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of rewriteCopyText(inChunks(text, size), columns, new Map(Object.entries(rewrites)))) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

test('a column is rewritten, and every byte of the others stays', async () => {
  const text = 'a\tone\\ttwo\\\\\t\\N\nb\tä\\n\t\n'
  for (const size of [1, 2, 3, 100]) {
    assert.equal(await rewritten(text, ['k', 'v', 'w'], { k: () => 'x\ty' }, size), 'x\\ty\tone\\ttwo\\\\\t\\N\nx\\ty\tä\\n\t\n')
    assert.equal(
      await rewritten(text, ['k', 'v', 'w'], { w: (v) => (v === null ? 'was null' : `[${v}]`) }, size),
      text.replace('\\N', 'was null').replace('\t\n', '\t[]\n'),
    )
  }
})

test('a rewrite sees the value, not its escapes, and NULL is not the text \\N', async () => {
  const seen: (string | null)[] = []
  const note: RewriteValue = (value) => {
    seen.push(value)
    return value
  }
  const text = 'tab\\there\t1\n\\N\t2\n\\\\N\t3\nline\\nbreak \\\\ \\b\\f\\r\\v\t4\n'
  assert.equal(await rewritten(text, ['v', 'n'], { v: note }), text)
  assert.deepEqual(seen, ['tab\there', null, '\\N', 'line\nbreak \\ \b\f\r\v'])
})

test('a last row without a newline is a row', async () => {
  assert.equal(await rewritten('a\tb\nc\td', ['x', 'y'], { y: () => 'z' }), 'a\tz\nc\tz\n')
  assert.equal(await rewritten('', ['x'], { x: () => 'z' }), '')
  let rows = 0
  for await (const block of wholeRows(inChunks('1\n22\n\n4', 2))) rows += rowsIn(block)
  assert.equal(rows, 4)
})

test('a row with too few or too many columns is refused, and so are a strange escape and a column that is not there', async () => {
  const same: RewriteValue = (value) => value
  for (const text of ['a\n', 'a\tb\tc\n']) await assert.rejects(rewritten(text, ['x', 'y'], { x: same }), InvalidInputError)
  await assert.rejects(rewritten('\\q\n', ['x'], { x: same }), InvalidInputError)
  await assert.rejects(rewritten('a\n', ['x'], { y: same }), InvalidInputError)
  await assert.rejects(rewritten('a\n', ['x'], { x: () => 'a\0' }), InvalidInputError)
})

test('whatever text: what is written is read back the same', () => {
  fc.assert(
    fc.property(
      fc.option(fc.string({ unit: fc.constantFrom('\\', 'N', '\n', '\t', '\r', '\b', '\v', '\f', 'a', 'ä', '€', '😀') })),
      (value) => {
        const field = copyField(value)
        assert.doesNotMatch(field, /[\n\t]/)
        assert.equal(copyValue(field), value)
      },
    ),
  )
})
