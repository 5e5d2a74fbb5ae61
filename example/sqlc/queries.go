package main

import (
	"context"
	"database/sql"
)

// What sqlc generates from schema.sql and query.sql, as far as it is used here.

type Queries struct{ db *sql.Tx }

type RenameNoteParams struct {
	Title string
	ID    int64
}

const createNote = `INSERT INTO notes (title) VALUES (?) RETURNING id`

func (q *Queries) CreateNote(ctx context.Context, title string) (id int64, err error) {
	err = q.db.QueryRowContext(ctx, createNote, title).Scan(&id)
	return id, err
}

const renameNote = `UPDATE notes SET title = ? WHERE id = ?`

func (q *Queries) RenameNote(ctx context.Context, arg RenameNoteParams) error {
	_, err := q.db.ExecContext(ctx, renameNote, arg.Title, arg.ID)
	return err
}
