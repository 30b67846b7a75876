// The SQL that makes a database ours: the wall in every database that holds tenants, the catalog in one.

import { readdirSync } from 'node:fs'

/** One file, by the name under which it is recorded. */
export interface SqlFile {
  readonly file: string
  readonly url: URL
}

/** The files, in the order in which they run. */
export function sqlFiles(isCatalog: boolean): readonly SqlFile[] {
  return (isCatalog ? ['wall', 'catalog'] : ['wall']).flatMap((folder) => {
    const directory = new URL(`./sql/${folder}/`, import.meta.url)
    const names = readdirSync(directory).filter((name) => name.endsWith('.sql'))
    return names.sort().map((name) => ({ file: `${folder}/${name}`, url: new URL(name, directory) }))
  })
}
