// Writes a new project. What is there already is somebody's work: it is kept, whatever it says.

import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { configFileNames } from '../config-file.ts'
import { projectFiles } from './project-files.ts'

export interface MadeProject {
  readonly name: string
  /** Paths from the directory. */
  readonly made: readonly string[]
  /** Were there before. */
  readonly kept: readonly string[]
}

interface ProjectOptions {
  readonly directory: string
  /** Say what would be made, and make nothing. */
  readonly isDryRun: boolean
}

/** Makes the files that are missing. */
export async function makeProject({ directory, isDryRun }: ProjectOptions): Promise<MadeProject> {
  const name = projectName(directory)
  const there = new Set(await readdir(directory))
  const configured = configFileNames.find((file) => there.has(file))
  const [made, kept]: [string[], string[]] = [[], []]
  for (const [path, text] of Object.entries(projectFiles(name))) {
    // A second configuration beside the first, under another ending, would make both useless.
    if (configured !== undefined && path === configFileNames[0]) kept.push(configured)
    else if (await place(join(directory, path), text, isDryRun)) made.push(path)
    else kept.push(path)
  }
  return { name, made, kept }
}

/** Is there anything that a new project could come in the way of? A fresh repository's own files are nothing. */
export async function isVacant(directory: string): Promise<boolean> {
  const harmless = new Set(['.git', '.gitignore', '.gitattributes', '.DS_Store'])
  return (await readdir(directory)).every((entry) => harmless.has(entry))
}

/** @returns false when it was there. `wx` decides in one step, so that nothing is overwritten even in a race. */
async function place(file: string, text: string, isDryRun: boolean): Promise<boolean> {
  if (isDryRun) {
    return await stat(file).then(
      () => false,
      () => true,
    )
  }
  await mkdir(dirname(file), { recursive: true })
  try {
    await writeFile(file, text, { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** The folder's name, as far as it can name a package and a database. */
function projectName(directory: string): string {
  const name = basename(directory)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
    .slice(0, 40)
    .replace(/-+$/, '')
  return name === '' ? 'app' : name
}
