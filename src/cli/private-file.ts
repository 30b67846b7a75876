// Files with secrets in them.

import { rename, rm, writeFile } from 'node:fs/promises'

/** Writes a file that only its owner can read, and that others find whole or not at all. */
export async function writePrivately(file: string, text: string): Promise<void> {
  const draft = `${file}.${process.pid}`
  await rm(draft, { force: true })
  await writeFile(draft, text, { mode: 0o600, flag: 'wx' })
  await rename(draft, file)
}
