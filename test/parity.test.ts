// The error table, its documentation and the tests stay in step.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { errorsByCode } from '../src/errors.ts'
import { sourceFiles } from './support/source-files.ts'

const codes = [...errorsByCode.keys()].sort()
const root = new URL('../', import.meta.url)

test('every error code has exactly one section in docs/reference/errors.md, and every section a code', async () => {
  const text = await readFile(new URL('docs/reference/errors.md', root), 'utf8')
  const sections = [...text.matchAll(/^### (PW_\w+)$/gm)].map((match) => match[1]).sort()
  assert.deepEqual(sections, codes)
})

test('the documented status and retry of every code are the real ones', async () => {
  const text = await readFile(new URL('docs/reference/errors.md', root), 'utf8')
  for (const [code, cls] of errorsByCode) {
    const error = new cls('x')
    const facts = `\`${cls.name}\` · ${error.status} · ${error.retryable ? 'retryable' : 'not retryable'}`
    assert.ok(text.includes(`### ${code}\n\n${facts}`), `${code} should be followed by: ${facts}`)
  }
})

test('every error class has one code, and is in the table', async () => {
  const text = await readFile(new URL('src/errors.ts', root), 'utf8')
  const spelled = [...text.matchAll(/errorClass\('(PW_\w+)'/g)].map((match) => match[1]).sort()
  assert.deepEqual(spelled, codes)
  assert.equal(new Set(spelled).size, spelled.length)
})

test('every error code is named in a test', async () => {
  // Conformance suites are tests too; what supports tests is not.
  const tests = (await sourceFiles(['test', 'examples'])).filter(
    (file) => !/^(test\/(support|consumer)\/|test\/parity|examples\/[^/]+\/src\/)/.test(file.path),
  )
  const text = tests.map((file) => file.text).join('\n')
  const unnamed = [...errorsByCode]
    .filter(([code, cls]) => !text.includes(code) && !new RegExp(`\\b${cls.name}\\b`).test(text))
    .map(([code]) => code)
  assert.deepEqual(unnamed, [])
})
