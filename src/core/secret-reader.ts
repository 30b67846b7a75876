// What a process that serves tenants needs of a secret store: no more than to read.

export interface SecretReader {
  /** @returns undefined when there is none of that name. */
  get(name: string): Promise<string | undefined>
  /** Of a store that remembers: what it remembers of this name is not to be believed any more. */
  forget?(name: string): void
}
