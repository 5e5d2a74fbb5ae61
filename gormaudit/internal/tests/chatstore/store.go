// Package chatstore is the repository of an application that had no audit columns:
// what gormaudit/adopting.md walks through.
package chatstore

import (
	"context"

	"gorm.io/gorm"
)

// Store reads and writes chats and messages. Its methods take tables and maps,
// so that one store serves the models before and after adoption.
type Store struct{ DB *gorm.DB }

// Create adds a chat.
func (s *Store) Create(ctx context.Context, row any) error {
	return s.DB.WithContext(ctx).Create(row).Error
}

// Rename forgets its context.
func (s *Store) Rename(_ context.Context, model any, id uint, title string) error {
	return s.DB.Model(model).Where("id = ?", id).Update("title", title).Error
}

// HandOver gives a chat to another user.
func (s *Store) HandOver(ctx context.Context, model any, id, to uint) error {
	return s.DB.WithContext(ctx).Model(model).Where("id = ?", id).Update("creator_id", to).Error
}
