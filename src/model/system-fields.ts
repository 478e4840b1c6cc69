/** Top-level fields that the database itself writes into every entity that it returns; nobody else may set them. */
export const systemFields: ReadonlySet<string> = new Set(['$id', 'version', 'createdAt', 'createdBy', 'updatedAt', 'updatedBy', 'deletedAt'])
