// What is written is read again as it was, whatever it is, in every format.

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { csvEncoder } from '../../src/portability/csv-encoder.ts'
import { csvRows } from '../../src/portability/csv-rows.ts'
import { exportTenant, type WriteExportOptions } from '../../src/portability/export-tenant.ts'
import type { FileRow } from '../../src/portability/file-row.ts'
import { jsonlEncoder } from '../../src/portability/jsonl-encoder.ts'
import { jsonlRows } from '../../src/portability/jsonl-rows.ts'
import { openRows } from '../../src/portability/open-rows.ts'
import {
  type ColumnKind,
  exportFormats,
  type PortableColumn,
  type PortableTable,
  type RowTexts,
} from '../../src/portability/portable-table.ts'

const column = (name: string, kind: ColumnKind, type: string = kind): PortableColumn => ({
  name,
  kind,
  type,
  isNullable: true,
  hasDefault: false,
})

const texts = { columns: [column('a', 'text'), column('b "quoted"', 'text'), column('__proto__', 'text')] }

const cell = fc.option(
  fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom('', '"', '""', ',', '\n', '\r\n', '\r', "'=1", '=1+1', ' ', '\\N', 'null', '\u2028'),
  ),
  {
    nil: null,
  },
)
const rows = fc.array(fc.tuple(cell, cell, cell), { maxLength: 20 })
/** Where the bytes are cut. */
const cuts = fc.infiniteStream(fc.integer({ min: 1, max: 9 }))

async function* cut(bytes: Uint8Array, sizes: Iterator<number>): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length; ) {
    const to = from + Number(sizes.next().value)
    yield bytes.subarray(from, to)
    from = to
  }
}

async function all(found: AsyncIterable<readonly FileRow[]>): Promise<readonly FileRow[]> {
  const list: FileRow[] = []
  for await (const rows of found) list.push(...rows)
  return list
}

test('CSV: every text, null and empty text comes back as it was, wherever the bytes are cut', async () => {
  await fc.assert(
    fc.asyncProperty(rows, cuts, fc.boolean(), async (given, sizes, guardFormulas) => {
      const encoder = csvEncoder(texts, { guardFormulas })
      const bytes = Buffer.concat([encoder.begin(), encoder.encode(given), encoder.end()])
      const read = await all(csvRows(cut(bytes, sizes), 10_000))
      assert.deepEqual(
        read.map(({ problem }) => problem),
        given.map(() => undefined),
      )
      if (!guardFormulas) {
        assert.deepEqual(
          read.map(({ cells }) => cells),
          given.map((row) => [...row]),
        )
      }
    }),
  )
})

test('JSON Lines: the same', async () => {
  await fc.assert(
    fc.asyncProperty(rows, cuts, async (given, sizes) => {
      const bytes = jsonlEncoder(texts).encode(given)
      const read = await all(jsonlRows(cut(bytes, sizes), texts, 10_000))
      assert.deepEqual(
        read.map(({ cells }) => cells),
        given.map((row) => [...row]),
      )
    }),
  )
})

test('a row that is no row is one bad row, with its line, and those around it are read', async () => {
  const csv = [
    'a,b',
    '1,2',
    '3,"x"y',
    '4',
    '',
    '5,"two\nlines"',
    `6,${'z'.repeat(50)}`,
    `7,"${'z'.repeat(50)}"`,
    '8,a"b',
    '9,ok',
    '10,"open',
    'to the end',
  ].join('\n')
  assert.deepEqual(
    (await all(csvRows(cut(Buffer.from(csv), { next: () => ({ value: 7 }) }), 30))).map(({ line, problem, cells }) => [
      line,
      problem ?? cells,
    ]),
    [
      [2, ['1', '2']],
      [3, 'Text follows the closing quote of a field.'],
      [4, 'It has 1 fields; the first line names 2 columns.'],
      [6, ['5', 'two\nlines']],
      [8, 'It is longer than 30 characters.'],
      [9, 'It is longer than 30 characters.'],
      [10, 'A quote stands in a field that does not begin with one.'],
      [11, ['9', 'ok']],
      [12, 'A quoted field is not closed.'],
    ],
  )
  const jsonl = ['{"a":1}', 'no', '[]', '', '{"a":"x"', `{"a":"${'z'.repeat(50)}"}`, '{"a":null}', '{"a":{}}'].join('\n')
  assert.deepEqual(
    (await all(jsonlRows(cut(Buffer.from(jsonl), { next: () => ({ value: 5 }) }), { columns: [column('a', 'text')] }, 30))).map(
      ({ line, problem, cells }) => [line, problem?.replace(/:.*/, '') ?? cells],
    ),
    [
      [1, ['1']],
      [2, 'The line is not JSON'],
      [3, 'The line is not an object.'],
      [5, 'The line is not JSON'],
      [6, 'The line is longer than 30 bytes.'],
      [7, [null]],
      [8, 'a is an object, and the column is text.'],
    ],
  )
})

test('numbers keep every digit in JSON, also inside a json column', async () => {
  const table = { columns: [column('n', 'numeric'), column('j', 'json', 'jsonb')] }
  const lines = [
    ['12345678901234567890.1200', '{"big": 12345678901234567890, "e": [1e400, 1.50, -0]}'],
    ['-0.10', '[0.1, "1e5", 10]'],
  ]
  const text = lines.map(([n, j]) => `{"n":${n},"j":${j}}\n`).join('')
  const read = await all(jsonlRows(cut(Buffer.from(text), { next: () => ({ value: 1000 }) }), table, 10_000))
  assert.deepEqual(
    read.map(({ cells }) => cells),
    lines.map(([n, j]) => [n, j?.replaceAll(' ', '')]),
  )
})

test('null in JSON is no value; where there must be one, it is the null of JSON', async () => {
  const table = { columns: [column('a', 'json', 'jsonb'), { ...column('b', 'json', 'jsonb'), isNullable: false }] }
  const [row] = await all(jsonlRows(cut(Buffer.from('{"a":null,"b":null}'), { next: () => ({ value: 9 }) }), table, 100))
  assert.deepEqual(row?.cells, [null, 'null'])
})

test('a spreadsheet finds no formula in a guarded file, and an import takes the guard away again', async (t) => {
  const table: PortableTable = { name: 'x', key: [], references: [], columns: [column('a', 'text'), column('n', 'numeric')] }
  const given: RowTexts[] = ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', "'=1", "'", 'plain', '＝1', '-'].map((text) => [text, '-5'])
  const to = await directory(t)
  await exportTenant(source(table, given), { to, format: 'csv', guardFormulas: true })
  const text = await readFile(join(to, 'x.csv'), 'utf8')
  assert.doesNotMatch(text, /^"?[=+\-@\t＝]/m)
  assert.match(text, /^'=1\+1,-5\r$/m)
  const read = await all(openRows(join(to, 'x.csv'), table, { format: 'csv', guardFormulas: true }))
  assert.deepEqual(
    read.map(({ cells }) => cells),
    given,
  )
})

const everything: PortableTable = {
  name: 'every thing/…',
  key: ['id'],
  references: [],
  columns: [
    column('id', 'uuid'),
    column('flag', 'boolean'),
    column('small', 'integer'),
    column('big', 'bigint'),
    { ...column('money', 'numeric', 'numeric(18,4)'), precision: 18, scale: 4 },
    column('exact', 'numeric'),
    column('measure', 'float', 'double precision'),
    column('day', 'date'),
    column('at', 'timestamptz'),
    column('local', 'timestamp'),
    column('raw', 'bytes', 'bytea'),
    column('body', 'json', 'jsonb'),
    column('tags', 'array', 'text[]'),
    column('span', 'other', 'int4range'),
  ],
}
const samples: readonly RowTexts[] = [
  [
    '0193c2b0-7d5e-7c3a-9d1e-3a2b1c0d9e8f',
    'true',
    '-5',
    '9007199254740993',
    '12345678901234.5678',
    '0.1000000000000000000001',
    '1.5',
    '2026-02-28',
    '2026-02-28T23:59:59.123456+00:00',
    '0044-03-15T12:00:00.000000 BC',
    'AP8Q',
    '{"n":12345678901234567890}',
    '["a","b,c",null]',
    '[1,5)',
  ],
  everything.columns.map(() => null),
  [
    '00000000-0000-0000-0000-000000000000',
    'false',
    '0',
    '-9223372036854775808',
    '-0.0001',
    '-1',
    '-0.25',
    '0044-03-15 BC',
    '1969-12-31T23:59:59.999999+00:00',
    '9999-12-31T00:00:00.000001',
    '',
    '[]',
    '[]',
    'empty',
  ],
]

for (const format of exportFormats) {
  for (const compress of format === 'parquet' ? [false] : [false, true]) {
    test(`${format}${compress ? ', compressed' : ''}: every kind of value comes back as it was`, async (t) => {
      const to = await directory(t)
      const many = Array.from({ length: 15_000 }, () => samples).flat()
      const written = await exportTenant(source(everything, many), { to, format, compress })
      assert.deepEqual([written.rows, written.tables.length], [45_000, 1])
      const file = written.tables[0]!.file
      assert.match(file, /^[A-Za-z0-9_.-]+$/)
      let i = 0
      for await (const rows of openRows(join(to, file), everything, { format, guardFormulas: false })) {
        for (const { cells, columns, problem } of rows) {
          assert.equal(problem, undefined)
          assert.deepEqual(cells, samples[i % 3])
          if (i === 0)
            assert.deepEqual(
              [...columns],
              everything.columns.map(({ name }) => name),
            )
          i += 1
        }
      }
      assert.equal(i, 45_000)
    })
  }
}

for (const format of exportFormats) {
  test(`${format}: memory does not grow with the table`, async (t) => {
    const to = await directory(t)
    const table: PortableTable = { name: 'big', key: [], references: [], columns: [column('a', 'text')] }
    const row: RowTexts = ['x'.repeat(2_000)]
    const piece = Array.from({ length: 1_000 }, () => row)
    let peak = 0
    const held = (): number => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers
    const before = held()
    const big = {
      ...source(table, []),
      async *rows() {
        for (let i = 0; i < 160; i++) {
          peak = Math.max(peak, held() - before)
          yield piece
        }
      },
    }
    // 320 MB of rows.
    assert.equal((await exportTenant(big, { to, format })).rows, 160_000)
    let rows = 0
    for await (const some of openRows(join(to, `big.${format}`), table, { format, guardFormulas: false })) {
      peak = Math.max(peak, held() - before)
      rows += some.length
    }
    assert.equal(rows, 160_000)
    assert.ok(peak < 220 * 1024 * 1024, `${peak >> 20} MiB`)
  })
}

test('a directory that cannot be written is said by name; a packed file that is not whole is no file', async (t) => {
  const to = await directory(t)
  const table: PortableTable = { name: 'x', key: [], references: [], columns: [column('a', 'text')] }
  await exportTenant(source(table, [['a']]), { to, compress: true })
  await assert.rejects(exportTenant(source(table, []), { to: join(to, 'x.jsonl.gz') }), {
    code: 'PW_CONFIGURATION',
    message: /x\.jsonl\.gz cannot be written/,
  })
  const packed = await readFile(join(to, 'x.jsonl.gz'))
  await writeFile(join(to, 'cut.jsonl.gz'), packed.subarray(0, packed.length - 9))
  await assert.rejects(all(openRows(join(to, 'cut.jsonl.gz'), table, { format: 'jsonl', guardFormulas: false })), {
    code: 'PW_INVALID_INPUT',
    message: /cannot be unpacked/,
  })
})

test('a value that Parquet does not have is refused by name, and no manifest is left', async (t) => {
  const to = await directory(t)
  const table: PortableTable = { name: 'x', key: [], references: [], columns: [column('at', 'timestamptz')] }
  await assert.rejects(exportTenant(source(table, [['infinity']]), { to, format: 'parquet' }), {
    code: 'PW_INVALID_INPUT',
    message: /at has infinity/,
  })
  await assert.rejects(readFile(join(to, 'manifest.json')), { code: 'ENOENT' })
})

function source(table: PortableTable, given: readonly RowTexts[]) {
  return {
    tenant: '0193c2b0-7d5e-7c3a-9d1e-3a2b1c0d9e8f',
    takenAt: new Date(0),
    snapshot: '1:1:',
    tables: [table],
    async *rows() {
      for (let from = 0; from < given.length; from += 1000) yield given.slice(from, from + 1000)
    },
  } satisfies Parameters<typeof exportTenant>[0] & { to?: WriteExportOptions['to'] }
}

async function directory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'partywall-formats-'))
  t.after(() => rm(path, { recursive: true }))
  return path
}
