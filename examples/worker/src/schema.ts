/** Posts have one author, and an author has many posts: one relationship, read from both ends. */
export const schema = { posts: { author: '-> authors.posts' }, authors: { posts: '<- posts.author[]' } } as const
