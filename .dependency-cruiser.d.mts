/** Folder of src -> the folders that it may import. */
export const mayImport: Readonly<Record<string, readonly string[]>>
