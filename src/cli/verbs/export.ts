// partywall export: a tenant's rows in files that others can read.

import { resolve } from 'node:path'
import { exportFormats } from '../../portability/portable-table.ts'
import { needsFleet, withFleet } from '../fleet-plane.ts'
import { verb } from '../verb.ts'

export const exportVerb = verb({
  summary: 'Write all rows of a tenant to files',
  details:
    'A file for each table, as of one moment; datapackage.json with columns, types, keys and references; manifest.json with rows, bytes and SHA-256 of each file.',
  args: { tenant: 'its id or slug' },
  flags: {
    to: { kind: 'text', value: 'dir', about: 'where to; files of an earlier export are replaced', required: true },
    format: { kind: 'choice', of: exportFormats, about: 'JSON Lines, CSV or Parquet', default: 'jsonl' },
    tables: { kind: 'list', value: 'table', about: 'these alone (default: all)' },
    compress: { kind: 'switch', about: 'with gzip' },
    guardFormulas: { kind: 'switch', about: 'CSV: put a single quote before what a spreadsheet would compute' },
    reason: { kind: 'text', value: 'why', about: 'kept in the audit trail' },
  },
  examples: [
    'partywall export acme --to /srv/exports/acme --format csv --reason "request of 3 May"',
    'partywall export acme --to ./acme --tables documents,comments --compress --json',
  ],
  needs: needsFleet,
  async run({ args, flags: { to, tables, ...flags }, output, progress, signal, terminal }) {
    const written = await withFleet(terminal, async ({ fleet, actor }) => {
      progress.start(0, `export ${args.tenant}`)
      return await fleet.exports.export(args.tenant, {
        ...flags,
        to: resolve(terminal.cwd, to),
        tables: tables.length === 0 ? undefined : tables,
        actor,
        signal,
        onProgress: ({ table, rowsInAll }) => progress.advance({ done: rowsInAll, note: table }),
      })
    })
    progress.finish()
    if (output.isJson) return output.record(written)
    await output.table(written.tables, {
      TABLE: ({ table }) => table,
      FILE: ({ file }) => file,
      ROWS: ({ rows }) => String(rows),
      BYTES: ({ bytes }) => String(bytes),
    })
    terminal.note(`${written.rows} rows, ${written.bytes} bytes. The list of the files: ${written.manifest}`)
  },
})
